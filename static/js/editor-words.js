// The editor asks `window.gettext` for the words of its dialogs; the page carries them as JSON.
// A classic script, because the editor's module reads the function while it loads.
{
  const source = document.getElementById("editor-words");
  const words = source ? JSON.parse(source.textContent) : {};
  window.gettext = (text) => words[text] || text;
}
