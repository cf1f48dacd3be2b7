// The letter beside the editor: made anew by the server while one writes, at the width of a phone
// or a computer, light or dark. On a message's page only width and theme are chosen.
const PAUSE = 600 // milliseconds without a keystroke
const device = document.querySelector("[data-preview-frames]")
const form = document.getElementById("letter-form")

if (device) {
  const screen = device.querySelector(".v-screen")
  let number = 0

  function press(button) {
    for (const other of button.parentElement.children) other.ariaPressed = String(other === button)
  }

  for (const button of document.querySelectorAll("[data-preview-width]")) {
    button.addEventListener("click", () => {
      press(button)
      device.classList.toggle("is-desk", button.dataset.previewWidth === "desk")
    })
  }
  for (const button of document.querySelectorAll("[data-preview-scheme]")) {
    button.addEventListener("click", () => {
      press(button)
      const scheme = button.dataset.previewScheme
      if (form) {
        form.elements.scheme.value = scheme
        draw()
      } else {
        const frame = screen.querySelector("iframe")
        const address = new URL(frame.src)
        address.searchParams.set("scheme", scheme)
        frame.src = address
      }
    })
  }

  /** Post the form into a new frame and put it in the old one's place when it has come. A frame
   *  of its own for each letter: no flicker, and nothing for the Back button. */
  function draw() {
    const old = screen.querySelector("iframe:not(.is-coming)")
    for (const late of screen.querySelectorAll(".is-coming")) late.remove()
    const frame = old.cloneNode()
    frame.removeAttribute("src")
    frame.name = `letter-${++number}`
    frame.classList.add("is-coming")
    screen.append(frame)
    frame.addEventListener("load", () => {
      const inside = frame.contentWindow
      try {
        if (!frame.isConnected || inside.location.href === "about:blank") return
      } catch {
        // the browser's own page: the server could not be reached
        frame.remove()
        return
      }
      inside.scrollTo(0, old.contentWindow.scrollY)
      frame.classList.remove("is-coming")
      old.remove()
      device.dataset.drawn = String(Number(device.dataset.drawn ?? 0) + 1)
    })
    const button = form.querySelector("[data-preview]")
    button.formTarget = frame.name
    form.requestSubmit(button)
  }

  let asked = null
  /** Return whether the server has answered: the frame must not show a login or an error. */
  async function check() {
    asked?.abort()
    asked = new AbortController()
    try {
      const answer = await fetch(form.dataset.check, {
        method: "POST",
        body: new FormData(form),
        signal: asked.signal,
        redirect: "manual",
      })
      if (!answer.ok) return false
      const page = new DOMParser().parseFromString(await answer.text(), "text/html")
      for (const part of page.querySelectorAll("[id]")) {
        document.getElementById(part.id)?.replaceWith(part)
      }
      return true
    } catch {
      return false // the next keystroke asks again
    }
  }

  if (form) {
    let timer = 0
    const soon = (pause) => {
      clearTimeout(timer)
      timer = setTimeout(async () => (await check()) && draw(), pause)
    }
    document.addEventListener("input", ({ target }) => {
      if (target.form === form && target.name && target.name !== "client") soon(PAUSE)
    })
    document.addEventListener("change", ({ target }) => {
      if (target.form === form && (target.name === "client" || target.name === "layout")) soon(0)
    })
    soon(0)
  }
}
