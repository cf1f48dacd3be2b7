// Buttons that copy the text of an element: `data-copies` names it, `data-done` is said behind them.
for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copies)
    getSelection().selectAllChildren(text) // without permission it can be copied by hand
    try {
      await navigator.clipboard.writeText(text.textContent)
      button.nextElementSibling.textContent = button.dataset.done
    } catch {
      button.nextElementSibling.textContent = ""
    }
  })
}
