/* Marks in an article's contents the part that is being read. Without it the list is plain links. */
const links = new Map()
for (const link of document.querySelectorAll("[data-contents] a")) {
  const heading = document.getElementById(decodeURIComponent(link.hash.slice(1)))
  if (heading) links.set(heading, link)
}
const headings = [...links.keys()]

function mark() {
  const read = headings.filter((heading) => heading.getBoundingClientRect().top < innerHeight / 3)
  const current = read.at(-1) ?? headings[0]
  for (const [heading, link] of links) {
    if (heading === current) link.setAttribute("aria-current", "true")
    else link.removeAttribute("aria-current")
  }
}

if (headings.length) {
  addEventListener("scroll", mark, { passive: true })
  mark()
}
