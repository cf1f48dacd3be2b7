// What people write in a long form is never lost: it is kept in this browser until it is saved,
// leaving asks, and a form is sent only while one is signed in – otherwise the page says so.
const form = document.querySelector("form[data-unsaved]")
const PAUSE = 400 // milliseconds without a keystroke
const KEPT = 14 * 24 * 3600 * 1000 // milliseconds
const PREFIX = "vestnik:unsaved:"
// What is no text of anybody's: tokens, and what only the page itself is about.
const SKIPPED = new Set([
  "csrfmiddlewaretoken",
  "form_token",
  "writer",
  "once",
  "action",
  "scheme",
  "client",
  "find",
  "find_excluded",
  "message_id",
  "draft",
  "seen",
  "revision",
  "opened",
])

function kept(key) {
  try {
    return JSON.parse(localStorage.getItem(key))
  } catch {
    return null
  }
}

/** Forget what has been saved, and what nobody has come back to. */
function tidy() {
  const cookie = document.cookie.split("; ").find((one) => one.startsWith("saved_forms="))
  const saved = new Set((cookie ?? "").replace("saved_forms=", "").replaceAll('"', "").split("."))
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(PREFIX)) continue
    const entry = kept(key)
    if (!entry || saved.has(entry.token) || Date.now() - entry.at > KEPT)
      localStorage.removeItem(key)
  }
}

function watch() {
  const isDraft = form.hasAttribute("data-autosave")
  const key = () => `${PREFIX}${form.dataset.user}:${form.dataset.unsaved}`
  const token = form.elements.form_token.value
  const skipped = (name) => SKIPPED.has(name) || (isDraft && name === "message")

  function values() {
    const all = [...new FormData(form)].filter(
      ([name, value]) => !skipped(name) && typeof value === "string",
    )
    return JSON.stringify(all)
  }

  function fill(text) {
    const found = new Map()
    for (const [name, value] of JSON.parse(text))
      found.set(name, [...(found.get(name) ?? []), value])
    for (const field of form.elements) {
      if (
        !field.name ||
        skipped(field.name) ||
        ["file", "submit", "button", "hidden"].includes(field.type)
      )
        continue
      const wanted = found.get(field.name) ?? []
      if (field.type === "checkbox" || field.type === "radio")
        field.checked = wanted.includes(field.value)
      else if (field.type === "select-multiple") {
        for (const option of field.options) option.selected = wanted.includes(option.value)
      } else if (wanted.length) {
        const value = wanted.shift()
        if (field.value === value) continue
        field.value = value
        field.dispatchEvent(new Event("input", { bubbles: true }))
      }
    }
    document.dispatchEvent(new Event("unsaved:filled"))
    form.dispatchEvent(new Event("change", { bubbles: true }))
  }

  let clean = values() // as the server knows it
  let base = clean // or as it knows the draft
  let leaving = false
  const isChanged = () => values() !== clean || form.hasAttribute("data-bound")

  function note(name, at) {
    for (const one of document.querySelectorAll("[data-note]")) {
      const chosen = one.dataset.note === name
      if (chosen && at) {
        one.querySelector("[data-at]").textContent = new Date(at).toLocaleString(
          document.documentElement.lang,
          { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" },
        )
      }
      if (chosen) one.hidden = false
      else if (["signed-out", "other-user", "offline"].includes(one.dataset.note)) one.hidden = true
    }
    if (name) document.querySelector(`[data-note="${name}"]`)?.scrollIntoView({ block: "nearest" })
  }

  function store() {
    clearTimeout(timer)
    const now = values()
    try {
      if (now === base && !form.hasAttribute("data-bound")) localStorage.removeItem(key())
      else
        localStorage.setItem(
          key(),
          JSON.stringify({ at: Date.now(), from: base, values: now, token }),
        )
    } catch {
      /* the browser keeps nothing: the server's draft and the question on leaving remain */
    }
  }

  function drop() {
    localStorage.removeItem(key())
    for (const name of ["restored", "offered"])
      document.querySelector(`[data-note="${name}"]`).hidden = true
  }

  /** Return "in", or why a form should not be sent now; renew the token that all forms need. */
  async function session() {
    try {
      const answer = await fetch(form.dataset.session, { redirect: "manual", cache: "no-store" })
      if (answer.type === "opaqueredirect" || answer.status === 401) return "signed-out"
      if (!answer.ok) return "offline"
      const { user, token: fresh } = await answer.json()
      if (String(user) !== form.dataset.user) return "other-user"
      for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]"))
        field.value = fresh
      return "in"
    } catch {
      return "offline"
    }
  }

  let timer = 0
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, ({ target }) => {
      if (target.form !== form && target !== form) return
      clearTimeout(timer)
      timer = setTimeout(store, PAUSE)
    })
  }
  let asking = false
  let passing = false
  form.addEventListener("submit", async (event) => {
    const button = event.submitter
    if (button?.formTarget) return // the preview
    if (passing) {
      leaving = true
      return
    }
    event.preventDefault()
    if (asking) return
    asking = true
    store()
    const found = await session()
    asking = false
    if (found !== "in") {
      note(found)
      return
    }
    note("")
    passing = true
    form.requestSubmit(button)
    passing = false
  })
  for (const button of document.querySelectorAll("[data-discard]")) {
    button.addEventListener("click", (event) => {
      if (event.defaultPrevented) return
      leaving = true
      drop()
    })
  }
  window.addEventListener("beforeunload", (event) => {
    if (!isChanged()) return
    store()
    if (!leaving) event.preventDefault()
  })
  window.addEventListener("pageshow", () => {
    leaving = false
  })
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden) {
      if (isChanged()) store()
      return
    }
    // One may have signed in, or out, in another tab.
    const found = await session()
    note(found === "in" ? "" : found)
    if (found === "in") document.dispatchEvent(new Event("unsaved:back"))
  })

  form.addEventListener("signed-out", () => note("signed-out"))

  form.unsaved = {
    session,
    note,
    values,
    fill,
    /** The server keeps these values as a draft. */
    confirm(text) {
      base = text
      store()
    },
    /** The form shows what is saved: leaving loses nothing. */
    settle() {
      clean = base = values()
      store()
    },
    move(name) {
      localStorage.removeItem(key())
      form.dataset.unsaved = name
      store()
    },
  }

  const entry = kept(key())
  const untouched = clean
  for (const button of document.querySelectorAll("[data-unsaved-drop]")) {
    button.addEventListener("click", () => {
      fill(untouched)
      drop()
    })
  }
  document.querySelector("[data-unsaved-take]").addEventListener("click", () => {
    fill(entry.values)
    document.querySelector("[data-note=offered]").hidden = true
    store()
  })
  if (!entry || form.hasAttribute("data-bound")) return
  if (entry.values === clean) localStorage.removeItem(key())
  else if (entry.from === clean) {
    fill(entry.values)
    note("restored", entry.at)
    store()
  } else note("offered", entry.at)
}

if (form) {
  try {
    tidy()
  } catch {
    /* a browser that keeps nothing */
  }
  watch()
}
