/* The button of the form of a mailing says what it will do, and two wishes do not contradict each
   other. Without it the server asks once more before mail leaves at once. */
const form = document.querySelector("[data-mailing-form]")

if (form) {
  const button = form.querySelector("[data-act]")
  const agreed = form.elements.namedItem("agreed")
  const start = form.elements.namedItem("start_at")
  const all = form.elements.namedItem("to_all")
  const when = (value) => form.querySelector(`[name="when"][value="${value}"]`)
  const others = () => [
    ...form.querySelectorAll('[name="lists"], [name="segments"], [name="clients"]'),
  ]
  let date = ""
  let ticked = []

  /* Until the answer is here nobody knows to how many. */
  const say = () => {
    const kind = button.dataset.save ? "save" : when("at")?.checked ? "at" : "now"
    button.textContent = button.dataset[kind]
    agreed.value = kind
  }

  const agree = ({ target }) => {
    if (target === when("now")) {
      ;[date, start.value] = [start.value || date, ""]
    } else if (target === when("at")) {
      start.value ||= date
      start.focus()
    } else if (target === all) {
      if (all.checked) {
        ticked = others().filter((box) => box.checked)
        for (const box of ticked) box.checked = false
      } else {
        for (const box of ticked) box.checked = true
      }
    } else if (all && target.checked && others().includes(target)) {
      all.checked = false
    }
  }

  form.addEventListener(
    "change",
    (event) => {
      agree(event)
      say()
    },
    { capture: true },
  )
  start.addEventListener("input", () => {
    if (start.value && when("at")) when("at").checked = true
  })
  form.addEventListener("htmx:afterSettle", () => {
    const promise = form.querySelector("#promise")
    if (!promise) return
    button.textContent = promise.textContent
    agreed.value = promise.value
  })
}
