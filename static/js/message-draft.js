// The draft of a message on the server: kept while one writes, never written over what another tab
// or another person has put there meanwhile. Leaving, signing in and the browser's copy: unsaved.js.
const form = document.getElementById("letter-form")
const PAUSE = 2000 // milliseconds without a keystroke
const AT_LEAST = 15000 // milliseconds after which it is kept although one types on
const AGAIN = 10000 // milliseconds until the next try when the server cannot be reached
const FIELDS = ["subject", "preheader", "layout", "body", "text"]
const SEEN = ["message", "draft", "seen", "revision", "opened"]

if (form?.unsaved) {
  const { unsaved } = form
  const said = document.getElementById("draft-status")
  const versions = document.getElementById("versions")
  const state = form.elements
  let timer = 0
  let since = 0 // when the first change came that is not kept
  let busy = false
  let other = null // the text that stands in the way, until one has chosen

  function soon(pause = PAUSE) {
    clearTimeout(timer)
    since ||= Date.now()
    timer = setTimeout(keep, Math.max(0, Math.min(pause, since + AT_LEAST - Date.now())))
  }

  async function post() {
    const body = new FormData()
    for (const name of [...FIELDS, ...SEEN]) body.append(name, state[name].value)
    const headers = { "X-CSRFToken": state.csrfmiddlewaretoken.value }
    return fetch(form.dataset.autosave, { method: "POST", body, headers, redirect: "manual" })
  }

  async function keep() {
    if (busy || other) return
    clearTimeout(timer)
    busy = true
    since = 0
    const sent = unsaved.values()
    try {
      let answer = await post()
      if (answer.status === 403 && (await unsaved.session()) === "in") answer = await post()
      await heed(answer, sent)
    } catch {
      away()
    }
    busy = false
    if (!other && since) soon()
  }

  async function heed(answer, sent) {
    if (answer.type === "opaqueredirect" || answer.status === 403) {
      const found = await unsaved.session()
      unsaved.note(found === "in" ? "offline" : found)
      said.textContent = ""
    } else if (answer.status === 404) begin()
    else if (answer.ok) took(await answer.json(), sent)
    else away()
  }

  function took({ other: found, refused, revision, said: words, started }, sent) {
    if (found) compare(found)
    else if (refused) said.textContent = refused
    else {
      state.revision.value = revision
      said.textContent = words
      unsaved.confirm(sent)
      if (started) {
        document.querySelector("[data-note=started] [data-words]").textContent = started
        document.querySelector("[data-note=started]").hidden = false
      }
    }
  }

  function away() {
    said.textContent = form.dataset.draftAway
    since ||= Date.now()
    clearTimeout(timer)
    timer = setTimeout(keep, AGAIN)
  }

  /** The message is no more: what is written goes on as a new one. */
  function begin() {
    if (!state.message.value) return away()
    document.querySelector("[data-note=gone]").hidden = false
    form.action = form.dataset.new
    state.message.value = state.revision.value = ""
    state.seen.value = "0"
    state.draft.value = crypto.getRandomValues(new Uint32Array(3)).join("-")
    unsaved.move(`message:${state.draft.value}`)
    since = Date.now()
  }

  // ---------------------------------------------------------------- two versions
  /** Return what one reads of a body: the words, a line a block. */
  function words(content) {
    if (content.text) return content.text
    const page = new DOMParser().parseFromString(content.body, "text/html")
    for (const end of page.querySelectorAll("br, p, h2, h3, li, hr")) end.after("\n")
    return page.body.textContent.trim()
  }

  function show(side, content) {
    const part = versions.querySelector(`[data-version=${side}]`)
    part.querySelector("[data-subject]").textContent = content.subject
    part.querySelector("[data-text]").textContent = words(content)
    return part
  }

  const mine = () => Object.fromEntries(FIELDS.map((name) => [name, state[name].value]))

  function compare(found) {
    other = found
    show("theirs", found.content).querySelector("[data-title]").textContent = found.title
    show("mine", mine())
    versions.hidden = false
    said.textContent = ""
    versions.scrollIntoView({ block: "nearest" })
  }

  function settled() {
    if (other.revision) state.revision.value = other.revision
    else {
      state.seen.value = other.seen
      state.revision.value = ""
    }
    other = null
    versions.hidden = true
  }

  versions.querySelector("[data-keep]").addEventListener("click", (event) => {
    if (!other) return // the page came so: the button saves
    event.preventDefault()
    settled()
    soon(0)
  })
  versions.querySelector("[data-take]").addEventListener(
    "click",
    (event) => {
      if (!other) return // as above: the button goes back to what is saved
      event.preventDefault()
      event.stopImmediatePropagation()
      const { content, revision, seen } = other
      settled()
      state.seen.value = seen
      unsaved.fill(JSON.stringify(Object.entries(content)))
      if (revision) unsaved.confirm(unsaved.values())
      else unsaved.settle()
      clearTimeout(timer)
    },
    { capture: true },
  )
  for (const button of versions.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = button.closest("[data-version]").querySelector("[data-text]")
      getSelection().selectAllChildren(text)
      await navigator.clipboard?.writeText(text.textContent).catch(() => {})
    })
  }

  // ---------------------------------------------------------------- when
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, ({ target }) => {
      if (other && target.form === form) show("mine", mine())
      if (target.form !== form || !FIELDS.includes(target.name)) return
      if (!state.message.value) {
        const address = new URL(location.href)
        address.searchParams.set("draft", state.draft.value)
        history.replaceState(history.state, "", address)
      }
      soon()
    })
  }
  document.addEventListener("visibilitychange", () => document.hidden && since && soon(0))
  document.addEventListener("unsaved:back", () => since && soon(0))
  window.addEventListener("online", () => since && soon(0))
  // What came back from this browser goes to the server, too.
  if (!document.querySelector("[data-note=restored]").hidden) soon()
}
