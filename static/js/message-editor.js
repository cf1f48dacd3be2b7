// The rich editor of a message over its textarea, and variables that are put in with a click.
import {
  Blockquote, Bold, BulletList, Document, Dropcursor, Editor, Gapcursor, HardBreak, Heading,
  History, HorizontalRule, Italic, Link, ListItem, Menu, OrderedList, Paragraph, Strike, Text,
} from "django-prose-editor/editor"

const extensions = [
  Document, Paragraph, Text, HardBreak, Dropcursor, Gapcursor, History, Menu,
  Heading.configure({ levels: [2, 3] }), Bold, Italic, Strike,
  BulletList, OrderedList, ListItem, Blockquote, HorizontalRule,
  Link.configure({ enableTarget: false, openOnClick: false }),
]

function dress(frame) {
  for (const button of frame.querySelectorAll(".prose-menubar button")) {
    const word = window.gettext(button.dataset.name || button.title)
    if (button.dataset.name && !button.matches(".prose-menubar__option")) {
      button.title = word
      button.setAttribute("aria-label", word)
    } else if (button.matches(".prose-menubar__option")) {
      button.firstElementChild.textContent = word
    }
  }
}

function edit(textarea) {
  const frame = document.createElement("div")
  frame.className = "prose-editor v-editor"
  frame.classList.toggle("is-invalid", textarea.classList.contains("is-invalid"))
  textarea.before(frame)
  frame.append(textarea)
  const described = textarea.getAttribute("aria-describedby")
  const attributes = { role: "textbox", "aria-multiline": "true", "aria-label": textarea.dataset.label }
  if (described) attributes["aria-describedby"] = described
  const editor = new Editor({
    element: frame,
    injectCSS: false, // the page's policy allows no style that a script writes
    extensions,
    content: textarea.value,
    editorProps: { attributes },
    onUpdate: ({ editor }) => { textarea.value = editor.isEmpty ? "" : editor.getHTML() },
  })
  dress(frame)
  return editor
}

const textarea = document.querySelector("textarea[data-letter-editor]")
if (textarea) {
  const editor = edit(textarea)
  let field = null // the plain field that was in use last; none: the editor
  document.addEventListener("focusin", ({ target }) => {
    if (target.matches("#id_subject, #id_preheader")) field = target
    else if (target.closest(".ProseMirror")) field = null
  })
  for (const name of document.querySelectorAll(".v-vars .v-var")) {
    const button = document.createElement("button")
    button.type = "button"
    button.className = "v-var"
    button.textContent = name.textContent
    button.title = window.gettext("Insert")
    button.addEventListener("click", () => {
      if (field) {
        field.setRangeText(name.textContent, field.selectionStart, field.selectionEnd, "end")
        field.focus()
      } else {
        // At once: Tiptap's own focus() waits for a frame, and what is typed before it is lost.
        editor.view.focus()
        editor.commands.insertContent(name.textContent)
      }
    })
    name.replaceWith(button)
  }
}
