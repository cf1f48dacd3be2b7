/* Ticking a whole page, and counting what is ticked. Without it each row is ticked by itself. */
const form = document.querySelector("[data-bulk]")
const whole = document.querySelector("[data-bulk-page]")

if (form && whole) {
  const boxes = [...document.querySelectorAll('tbody input[type="checkbox"][form="bulk"]')]
  const everything = form.querySelector("[data-bulk-all]")
  const said = form.querySelector("[data-bulk-count]")

  const show = () => {
    const ticked = boxes.filter((box) => box.checked).length
    whole.checked = ticked === boxes.length
    whole.indeterminate = ticked > 0 && !whole.checked
    said.textContent = `${said.dataset.bulkWords} ${ticked}`
    said.hidden = Boolean(everything?.checked)
  }

  whole.hidden = false
  whole.addEventListener("change", () => {
    for (const box of boxes) box.checked = whole.checked
    show()
  })
  for (const box of [...boxes, ...(everything ? [everything] : [])]) {
    box.addEventListener("change", show)
  }
  addEventListener("pageshow", show) // the browser may have kept the ticks
  show()
}
