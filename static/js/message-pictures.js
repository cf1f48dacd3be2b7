// The window in which a picture of the library is chosen, or a new one is added.
const dialog = document.getElementById("picture-window")

if (dialog) {
  const shelf = document.getElementById("picture-shelf")
  const file = document.getElementById("picture-file")
  const words = document.getElementById("picture-alt")
  const insert = dialog.querySelector("[value=insert]")
  const { library } = dialog.dataset
  // Read each time: signing in in another tab makes a new token.
  const headers = () => ({
    "HX-Request": "true",
    "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
  })
  let chosen = null
  let asked = 0 // only the last answer counts

  function choose(button) {
    for (const other of shelf.querySelectorAll(".v-picture"))
      other.ariaPressed = String(other === button)
    chosen = button
    words.disabled = insert.disabled = !button
    if (button) words.focus()
  }

  async function show(request) {
    const number = ++asked
    shelf.ariaBusy = "true"
    let answer = null
    try {
      const response = await fetch(...request)
      if (response.ok || response.status === 422) answer = await response.text()
    } catch {
      /* said below */
    }
    if (number !== asked) return
    if (answer === null) shelf.textContent = dialog.dataset.failed
    else shelf.innerHTML = answer
    choose(shelf.querySelector("[data-new]"))
    shelf.ariaBusy = "false"
  }

  function add(picture) {
    const body = new FormData()
    body.append("file", picture)
    return show([library, { method: "POST", body, headers: headers() }])
  }

  shelf.addEventListener("click", ({ target }) => {
    const page = target.closest("[data-page]")
    if (page) show([`${library}?${page.dataset.page}`, { headers: headers() }])
    else if (target.closest(".v-picture")) choose(target.closest(".v-picture"))
  })
  file.addEventListener("change", () => {
    if (file.files[0]) add(file.files[0])
    file.value = ""
  })
  dialog.addEventListener("dragover", (event) => event.preventDefault())
  dialog.addEventListener("drop", (event) => {
    event.preventDefault()
    if (event.dataTransfer.files[0]) add(event.dataTransfer.files[0])
  })
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "insert" || !chosen) return
    const { src, width } = chosen.dataset
    const detail = { src, alt: words.value.trim(), width: Number(width) }
    document.dispatchEvent(new CustomEvent("letter:picture", { detail }))
  })
  document.addEventListener("letter:pick", ({ detail }) => {
    dialog.returnValue = ""
    words.value = detail?.alt ?? ""
    choose(null)
    shelf.replaceChildren()
    dialog.showModal()
    if (detail?.file) add(detail.file)
    else show([library, { headers: headers() }])
  })
}
