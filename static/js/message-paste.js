// What other programs put on the clipboard, made into what a letter can hold: the words arrive,
// tables become a line a row, Word's lists become lists, and nothing turns bold that was not.
// The server does the same with HTML that comes without the editor: mailings/foreign_html.py.
const GONE = "style, script, meta, link, title, xml, noscript, template, colgroup"
const BLOCKS =
  "p, div, h1, h2, h3, h4, h5, h6, ul, ol, blockquote, table, pre, hr, section, article"
const HEADINGS = { h1: "h2", h4: "h3", h5: "h3", h6: "h3" }
const BETWEEN = " – " // the cells of a row
const NUMBER = /^\s*\(?(?:\d+|[a-zа-я]|[ivxlc]+)[.)]/iu

/** Read HTML into a page of its own. Its styles are renamed first: the policy of this page allows
 *  none, and the browser would report each. */
function read(html) {
  const plain = html
    .replace(/<style\b[\s\S]*?<\/style\s*>/gi, "")
    .replace(/<[a-z](?:"[^"]*"|'[^']*'|[^'">])*>/gi, (tag) =>
      tag.replace(/\sstyle\s*=/gi, " data-style="),
    )
  return new DOMParser().parseFromString(plain, "text/html")
}

/** Return what was a style attribute as a map. */
function styles(element) {
  const pairs = (element.dataset.style ?? "").split(";").map((one) => one.split(":"))
  return new Map(
    pairs
      .filter((pair) => pair.length > 1)
      .map(([name, ...value]) => [name.trim().toLowerCase(), value.join(":").trim().toLowerCase()]),
  )
}

function wrapped(element, tag) {
  const inner = element.ownerDocument.createElement(tag)
  inner.append(...element.childNodes)
  element.append(inner)
}

function renamed(element, tag) {
  const fresh = element.ownerDocument.createElement(tag)
  fresh.append(...element.childNodes)
  element.replaceWith(fresh)
  return fresh
}

const words = (node) => node.textContent.replace(/\s+/g, " ").trim()
const listLevel = (element) =>
  Number(/\blevel(\d)/.exec(styles(element).get("mso-list") ?? "")?.[1] ?? 0)

/** Bold and italic are what the style says: Google Docs wraps all in a `b` that is not bold. */
function weigh(body) {
  for (const element of body.querySelectorAll("b, strong, i, em, span, font")) {
    const style = styles(element)
    const weight = style.get("font-weight") ?? ""
    const slant = style.get("font-style") ?? ""
    const is = (...tags) => tags.includes(element.localName)
    const isPlain =
      (is("b", "strong") && /^(normal|lighter|[1-4]\d\d)$/.test(weight)) ||
      (is("i", "em") && slant === "normal")
    if (is("span", "font")) {
      const heading = element.closest("h1, h2, h3, h4, h5, h6")
      if (!heading && /^(bold|bolder|[6-9]\d\d)$/.test(weight)) wrapped(element, "strong")
      if (slant === "italic" || slant === "oblique") wrapped(element, "em")
      if (
        (style.get("text-decoration") ?? style.get("text-decoration-line") ?? "").includes(
          "line-through",
        )
      )
        wrapped(element, "s")
    }
    if (isPlain || is("span", "font")) element.replaceWith(...element.childNodes)
  }
}

/** Word's lists are paragraphs that say their level and bring their own marks. */
function list(body) {
  for (const first of body.querySelectorAll("[data-style*=mso-list i]")) {
    if (!first.isConnected || !listLevel(first)) continue
    const items = [first]
    for (
      let next = first.nextElementSibling;
      next && listLevel(next);
      next = next.nextElementSibling
    )
      items.push(next)
    const made = []
    let open = [] // the lists that are open, by level
    for (const item of items) {
      const level = listLevel(item)
      const marks = [...item.querySelectorAll("[data-style*=mso-list i]")].filter((one) =>
        /ignore/i.test(one.dataset.style),
      )
      const mark = marks.map(words).join("")
      for (const one of marks) one.remove()
      open = open.slice(0, Math.max(1, level))
      const wanted = NUMBER.test(mark) ? "ol" : "ul"
      if (open.length && open.length === level && open.at(-1).localName !== wanted) open.pop()
      while (open.length < level) {
        const fresh = body.ownerDocument.createElement(open.length + 1 === level ? wanted : "ul")
        const within = open.at(-1)?.lastElementChild
        if (within) within.append(fresh)
        else if (open.length) open.at(-1).append(fresh)
        else made.push(fresh)
        open.push(fresh)
      }
      const point = body.ownerDocument.createElement("li")
      const paragraph = body.ownerDocument.createElement("p")
      paragraph.append(...item.childNodes)
      point.append(paragraph)
      open.at(-1).append(point)
    }
    first.before(...made)
    for (const item of items) item.remove()
  }
}

/** A row is a line, its cells stand apart; a cell that holds more than words is set free. */
function table(body) {
  const tables = [...body.querySelectorAll("table")].reverse() // the inner ones first
  for (const one of tables) {
    const made = []
    const caption = one.querySelector(":scope > caption")
    if (caption) made.push(renamed(caption, "p"))
    for (const row of one.querySelectorAll("tr")) {
      const cells = [...row.cells].filter((cell) => words(cell) || cell.querySelector("img"))
      const isLayout =
        cells.length === 1 ||
        cells.some(
          (cell) =>
            cell.querySelector("ul, ol, h1, h2, h3, h4, blockquote, hr") ||
            cell.querySelectorAll("p, div").length > 3,
        )
      if (isLayout) {
        for (const cell of cells) made.push(...pieces(cell))
        continue
      }
      if (cells.length) made.push(line(cells))
    }
    one.replaceWith(...made)
  }
}

function pieces(cell) {
  return cell.querySelector(BLOCKS) ? [...cell.childNodes] : [renamed(cell, "p")]
}

function line(cells) {
  const { ownerDocument } = cells[0]
  const paragraph = ownerDocument.createElement("p")
  const isHead = cells.every((cell) => cell.localName === "th")
  for (const [number, cell] of cells.entries()) {
    for (const end of cell.querySelectorAll("br")) end.replaceWith(" ")
    for (const block of cell.querySelectorAll("p, div")) {
      if (block.nextSibling) block.after(" ")
      block.replaceWith(...block.childNodes)
    }
    if (number) paragraph.append(BETWEEN)
    paragraph.append(...cell.childNodes)
  }
  if (isHead) wrapped(paragraph, "strong")
  return paragraph
}

function tidy(body) {
  for (const element of body.querySelectorAll(GONE)) element.remove()
  for (const element of body.querySelectorAll("*")) {
    // Word's own elements: o:p, v:shape, w:sdt.
    if (element.localName.includes(":")) element.replaceWith(...element.childNodes)
  }
  for (const picture of body.querySelectorAll("img")) {
    if (/^(file|data|cid|blob|webkit-fake-url):/i.test(picture.getAttribute("src") ?? ""))
      picture.remove()
  }
  for (const text of body.querySelectorAll("pre")) {
    text.innerHTML = text.innerHTML.trim().replaceAll("\n", "<br>")
    renamed(text, "p")
  }
  for (const title of body.querySelectorAll("p.MsoTitle, p.MsoSubtitle, p.title, p.subtitle")) {
    renamed(title, /subtitle/i.test(title.className) ? "h3" : "h2")
  }
}

/** Return pasted HTML as the editor may read it. */
export function cleaned(html) {
  if (html.includes("data-pm-slice")) return html // from an editor like this one
  const page = read(html)
  const { body } = page
  const walker = page.createTreeWalker(body, NodeFilter.SHOW_COMMENT)
  const comments = []
  while (walker.nextNode()) comments.push(walker.currentNode)
  for (const comment of comments) comment.remove()
  tidy(body)
  list(body)
  weigh(body)
  table(body)
  for (const [tag, meant] of Object.entries(HEADINGS)) {
    for (const heading of body.querySelectorAll(tag)) renamed(heading, meant)
  }
  for (const element of body.querySelectorAll("*")) {
    for (const { name } of [...element.attributes]) {
      if (!["href", "src", "alt", "title", "width", "start"].includes(name))
        element.removeAttribute(name)
    }
  }
  return body.innerHTML
}

/** Does the clipboard hold words beside the picture of them? Excel brings both. */
export function hasWords(data) {
  const html = data.getData("text/html")
  if (!html) return Boolean(data.getData("text/plain").trim())
  const page = read(html)
  for (const element of page.querySelectorAll(GONE)) element.remove()
  return Boolean(words(page.body))
}
