// The rich editor of a message over its textarea: toolbar, links, buttons, variables.
// Pictures are chosen in message-pictures.js, the preview is message-preview.js.
import {
  Blockquote,
  Bold,
  BulletList,
  Document,
  Dropcursor,
  Editor,
  Extension,
  Gapcursor,
  HardBreak,
  Heading,
  History,
  HorizontalRule,
  Image,
  Italic,
  Link,
  ListItem,
  Node,
  OrderedList,
  Paragraph,
  Plugin,
  pm,
  Strike,
  Text,
} from "django-prose-editor/editor"
import { cleaned, hasWords } from "vestnik/message-paste"

const VARIABLE = /\{\{\s*[\p{L}_][\p{L}\p{N}_]*\s*(?:\|\s*default\s*:\s*"[^"{}]*"\s*)?\}\}/gu
const COLUMN = 512 // pixels a picture takes at most in a letter

// A link that stands alone and looks like a button; in the letter it is one in Outlook, too.
const LetterButton = Node.create({
  name: "letterButton",
  group: "block",
  content: "text*",
  marks: "",
  defining: true,
  priority: 90, // below the paragraph's: that one is the block that new text gets
  addAttributes: () => ({ href: { default: "" } }),
  parseHTML: () => [
    {
      tag: "p",
      priority: 60,
      getAttrs(element) {
        const link = element.querySelector("a[href]")
        const alone = link && link.textContent.trim() === element.textContent.trim()
        const bold = link && (link.closest("strong, b") || link.querySelector("strong, b"))
        return alone && (element.classList.contains("button") || bold)
          ? { href: link.getAttribute("href") }
          : false
      },
      contentElement: (element) => element.querySelector("a"),
    },
  ],
  renderHTML: ({ node }) => ["p", { class: "button" }, ["a", { href: node.attrs.href }, 0]],
})

const LetterImage = Image.extend({
  addAttributes: () => ({ src: { default: null }, alt: { default: "" }, width: { default: null } }),
}).configure({ inline: false, allowBase64: false })

// Variables stand out from the words around them.
const Variables = Extension.create({
  name: "variables",
  addProseMirrorPlugins() {
    const { Decoration, DecorationSet } = pm.view
    return [
      new Plugin({
        props: {
          decorations(state) {
            const found = []
            state.doc.descendants((node, position) => {
              if (!node.isText) return
              for (const match of node.text.matchAll(VARIABLE)) {
                const from = position + match.index
                found.push(Decoration.inline(from, from + match[0].length, { class: "v-var" }))
              }
            })
            return DecorationSet.create(state.doc, found)
          },
        },
      }),
    ]
  },
})

const extensions = [
  Document,
  Paragraph,
  Text,
  HardBreak,
  Dropcursor,
  Gapcursor,
  History,
  LetterButton,
  LetterImage,
  Heading.configure({ levels: [2, 3] }),
  Bold,
  Italic,
  Strike,
  Variables,
  BulletList,
  OrderedList,
  ListItem,
  Blockquote,
  HorizontalRule,
  Link.extend({ addKeyboardShortcuts: () => ({}) }).configure({
    enableTarget: false,
    openOnClick: false,
    autolink: false,
    defaultProtocol: "https",
    // Whatever was pasted stays a link: the check of the message says which ones lead nowhere.
    isAllowedUri: () => true,
  }),
]

// ---------------------------------------------------------------- windows
const byId = (id) => document.getElementById(id)

/** Show a window and call `done` with the button's value once it is closed by one. */
function ask(dialog, done) {
  dialog.returnValue = ""
  dialog.addEventListener("close", () => dialog.returnValue && done(dialog.returnValue), {
    once: true,
  })
  dialog.showModal()
}

for (const button of document.querySelectorAll(".v-dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close(""))
}

// ---------------------------------------------------------------- the editor
function edit(textarea) {
  const frame = document.createElement("div")
  frame.className = "prose-editor v-editor"
  frame.classList.toggle("is-invalid", textarea.classList.contains("is-invalid"))
  textarea.before(frame)
  const tools = document.querySelector(".v-editor-tools")
  tools.hidden = false
  frame.append(tools, textarea)
  const described = textarea.getAttribute("aria-describedby")
  const attributes = {
    id: "letter-body",
    role: "textbox",
    "aria-multiline": "true",
    "aria-label": textarea.dataset.label,
  }
  if (described) attributes["aria-describedby"] = described
  const editor = new Editor({
    element: frame,
    injectCSS: false, // the page's policy allows no style that a script writes
    extensions,
    content: textarea.value,
    editorProps: { attributes, transformPastedHTML: cleaned },
    onUpdate: ({ editor }) => {
      textarea.value = editor.isEmpty ? "" : editor.getHTML()
      textarea.dispatchEvent(new Event("input", { bubbles: true }))
    },
  })
  document
    .querySelector(`label[for="${textarea.id}"]`)
    ?.addEventListener("click", () => editor.view.focus())
  return { editor, tools }
}

const links = byId("link-window")
const WHOLE = /^(https?:\/\/[^\s/]|mailto:[^\s]|(tel|sms):[+\d]|tg:\/\/\w|\{\{)/i

/** Return what the server makes of an address: the link's, or why it is none. */
async function readAddress(typed) {
  try {
    const answer = await fetch(`${links.dataset.rule}?${new URLSearchParams({ href: typed })}`, {
      redirect: "manual",
    })
    if (answer.ok) return await answer.json()
  } catch {
    /* the server is asked again when the message is saved */
  }
  return WHOLE.test(typed) ? { href: typed, fault: "" } : { href: "", fault: links.dataset.away }
}

function refuse({ fault, instead = "" }) {
  const said = byId("link-fault")
  said.querySelector("[data-words]").textContent = fault
  said.hidden = !fault
  const take = said.querySelector("button")
  take.hidden = !instead
  take.value = instead
  byId("link-href").classList.toggle("is-invalid", Boolean(fault))
  byId("link-href").setAttribute("aria-invalid", String(Boolean(fault)))
}

byId("link-fault")
  ?.querySelector("button")
  .addEventListener("click", ({ target }) => {
    byId("link-href").value = target.value
    refuse({ fault: "" })
    byId("link-href").focus()
  })
// The window closes only with an address that a letter can hold.
links?.querySelector("form").addEventListener("submit", async (event) => {
  if (event.submitter?.value === "remove") return
  event.preventDefault()
  const field = byId("link-href")
  const found = await readAddress(field.value.trim())
  refuse(found)
  if (!found.href) {
    field.focus()
    return
  }
  field.value = found.href
  links.close("apply")
})

/** Ask for a link's address, and for a button's words. */
function askForLink(editor, { isButton }) {
  const old = isButton ? editor.getAttributes("letterButton") : editor.getAttributes("link")
  const { from, to, empty, $from } = editor.state.selection
  const inButton = isButton && editor.isActive("letterButton")
  const inLink = !isButton && editor.isActive("link")
  const words = inButton ? $from.parent.textContent : editor.state.doc.textBetween(from, to, " ")
  links.querySelector("[data-for=label]").hidden = !isButton && (!empty || inLink)
  links.querySelector("[data-remove]").hidden = !(inButton || inLink)
  links.querySelector("h2").textContent = isButton ? toolName("button") : toolName("link")
  byId("link-label").value = words
  byId("link-href").value = old.href || ""
  refuse({ fault: "" })
  ask(links, (answer) => {
    const href = byId("link-href").value.trim()
    const label = byId("link-label").value.trim() || href
    if (isButton) setButton(editor, { href, label, inButton, remove: answer === "remove" })
    else setLink(editor, { href, label, inLink, empty, remove: answer === "remove" })
  })
}

function setLink(editor, { href, label, inLink, empty, remove }) {
  const chain = editor.chain().focus()
  if (remove) chain.extendMarkRange("link").unsetMark("link").run()
  else if (inLink) chain.extendMarkRange("link").setMark("link", { href }).run()
  else if (empty) {
    chain
      .insertContent({ type: "text", text: label, marks: [{ type: "link", attrs: { href } }] })
      .unsetMark("link")
      .run()
  } else chain.setMark("link", { href }).run()
}

function setButton(editor, { href, label, inButton, remove }) {
  const { $from } = editor.state.selection
  if (inButton) {
    const range = { from: $from.before(), to: $from.after() }
    const content = [{ type: "text", text: label }]
    editor
      .chain()
      .focus()
      .insertContentAt(
        range,
        remove
          ? { type: "paragraph", content }
          : { type: "letterButton", attrs: { href }, content },
      )
      .run()
  } else if (!remove) {
    editor
      .chain()
      .focus()
      .insertContent([
        { type: "letterButton", attrs: { href }, content: [{ type: "text", text: label }] },
        { type: "paragraph" },
      ])
      .run()
  }
}

const toolName = (name) => document.querySelector(`[data-tool=${name}]`).title

const commands = {
  bold: (chain) => chain.toggleBold(),
  italic: (chain) => chain.toggleItalic(),
  strike: (chain) => chain.toggleStrike(),
  heading2: (chain) => chain.toggleHeading({ level: 2 }),
  heading3: (chain) => chain.toggleHeading({ level: 3 }),
  bulletList: (chain) => chain.toggleBulletList(),
  orderedList: (chain) => chain.toggleOrderedList(),
  blockquote: (chain) => chain.toggleBlockquote(),
  divider: (chain) => chain.setHorizontalRule(),
  undo: (chain) => chain.undo(),
  redo: (chain) => chain.redo(),
}
const isActive = {
  heading2: (editor) => editor.isActive("heading", { level: 2 }),
  heading3: (editor) => editor.isActive("heading", { level: 3 }),
  button: (editor) => editor.isActive("letterButton"),
}

function dress(editor, tools) {
  const show = () => {
    for (const button of tools.querySelectorAll("[aria-pressed]")) {
      const { tool } = button.dataset
      button.ariaPressed = String((isActive[tool] ?? (() => editor.isActive(tool)))(editor))
    }
  }
  editor.on("transaction", show)
  show()
  // One stop for the Tab key, arrows within, as toolbars have it.
  const buttons = [...tools.querySelectorAll("button")]
  for (const [n, button] of buttons.entries()) button.tabIndex = n ? -1 : 0
  tools.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    const at = buttons.indexOf(document.activeElement)
    if (!step || at < 0) return
    event.preventDefault()
    buttons[at].tabIndex = -1
    const next = buttons.at((at + step) % buttons.length)
    next.tabIndex = 0
    next.focus()
  })
}

const textarea = document.querySelector("textarea[data-letter-editor]")
if (textarea) {
  const { editor, tools } = edit(textarea)
  dress(editor, tools)
  let field = null // the plain field that was in use last; none: the editor
  document.addEventListener("focusin", ({ target }) => {
    if (target.matches("#id_subject, #id_preheader, #id_text")) field = target
    else if (target.closest(".ProseMirror")) field = null
  })
  const place = () => field && [field.selectionStart, field.selectionEnd]
  const insert = (text, range = place()) => {
    if (field) {
      field.setRangeText(text, ...range, "end")
      field.focus()
      field.dispatchEvent(new Event("input", { bubbles: true }))
    } else {
      // At once: Tiptap's own focus() waits for a frame, and what is typed before it is lost.
      editor.view.focus()
      editor.commands.insertContent({ type: "text", text })
    }
  }

  const variables = byId("variable-window")
  const others = {
    link: () => askForLink(editor, { isButton: false }),
    button: () => askForLink(editor, { isButton: true }),
    picture: () =>
      document.dispatchEvent(new CustomEvent("letter:pick", { detail: pictureHere() })),
    variable: () => {
      const range = place() // a window that closes gives the focus back, but not the place
      ask(variables, () => {
        const name = byId("variable-name").value
        const otherwise = byId("variable-default").value.replace(/["{}]/g, "").trim()
        insert(otherwise ? `{{ ${name}|default:"${otherwise}" }}` : `{{ ${name} }}`, range)
      })
    },
  }
  const pictureHere = () => (editor.isActive("image") ? editor.getAttributes("image") : null)
  tools.addEventListener("click", (event) => {
    const tool = event.target.closest("[data-tool]")?.dataset.tool
    if (!tool) return
    if (others[tool]) others[tool]()
    else {
      editor.view.focus()
      commands[tool](editor.chain()).run()
    }
  })
  tools.addEventListener("mousedown", (event) => event.preventDefault()) // the selection stays
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "k" && editor.isFocused) {
      event.preventDefault()
      others.link()
    }
  })
  document.addEventListener("letter:picture", ({ detail }) => {
    const attrs = { src: detail.src, alt: detail.alt }
    if (detail.width) attrs.width = Math.min(detail.width, COLUMN)
    editor.view.focus()
    if (editor.isActive("image")) editor.chain().updateAttributes("image", attrs).run()
    else
      editor
        .chain()
        .insertContent([{ type: "image", attrs }, { type: "paragraph" }])
        .run()
  })
  // Files that are dropped or pasted go into the library first.
  editor.setOptions({
    editorProps: {
      ...editor.options.editorProps,
      handleDrop: (_view, event, _slice, moved) => !moved && offer(event.dataTransfer),
      handlePaste: (_view, event) => !hasWords(event.clipboardData) && offer(event.clipboardData),
    },
  })
  function offer(data) {
    const file = [...(data?.files ?? [])].find((one) => one.type.startsWith("image/"))
    if (file) document.dispatchEvent(new CustomEvent("letter:pick", { detail: { file } }))
    return Boolean(file)
  }

  // What was kept of an unsaved text is in the textarea: the editor shows it.
  document.addEventListener("unsaved:filled", () => {
    const shown = editor.isEmpty ? "" : editor.getHTML()
    if (textarea.value !== shown) editor.commands.setContent(textarea.value, { emitUpdate: true })
  })

  for (const name of document.querySelectorAll(".v-vars .v-var")) {
    const button = document.createElement("button")
    button.type = "button"
    button.className = "v-var"
    button.textContent = name.textContent
    button.addEventListener("click", () => insert(name.textContent))
    name.replaceWith(button)
  }
}
