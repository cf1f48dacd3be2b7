// Buttons that copy what stands beside them; without a clipboard the text is marked, to be copied
// by hand. Without this script the buttons are not shown.

for (const button of document.querySelectorAll("[data-copy]")) {
  const text = document.getElementById(button.dataset.copy)
  const label = button.querySelector("span")
  const before = label.textContent
  button.hidden = false
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(text)
    try {
      await navigator.clipboard.writeText(text.textContent)
      label.textContent = button.dataset.done
      setTimeout(() => {
        label.textContent = before
      }, 2000)
    } catch {
      // It stays marked.
    }
  })
}
