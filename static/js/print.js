// The button “Print”: shown only where a script can serve it.
const button = document.getElementById("print")
if (button) {
  button.hidden = false
  button.addEventListener("click", () => window.print())
}
