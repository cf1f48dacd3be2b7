// The window in which a picture of the library is chosen, or a new one is added.
const dialog = document.getElementById("picture-window")

if (dialog) {
  const shelf = document.getElementById("picture-shelf")
  const file = document.getElementById("picture-file")
  const words = document.getElementById("picture-alt")
  const insert = dialog.querySelector("[value=insert]")
  const { library } = dialog.dataset
  const headers = {
    "HX-Request": "true",
    "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
  }
  let chosen = null

  function choose(button) {
    for (const other of shelf.querySelectorAll(".v-picture")) other.ariaPressed = String(other === button)
    chosen = button
    words.disabled = insert.disabled = !button
    if (button) words.focus()
  }

  async function show(request) {
    shelf.ariaBusy = "true"
    try {
      const answer = await fetch(...request)
      if (!answer.ok && answer.status !== 422) throw new Error(answer.statusText)
      shelf.innerHTML = await answer.text()
      choose(shelf.querySelector("[data-new]"))
    } catch {
      shelf.textContent = dialog.dataset.failed
    }
    shelf.ariaBusy = "false"
  }

  function add(picture) {
    const body = new FormData()
    body.append("file", picture)
    return show([library, { method: "POST", body, headers }])
  }

  shelf.addEventListener("click", ({ target }) => {
    const page = target.closest("[data-page]")
    if (page) show([`${library}?${page.dataset.page}`, { headers }])
    else if (target.closest(".v-picture")) choose(target.closest(".v-picture"))
  })
  file.addEventListener("change", () => {
    if (file.files[0]) add(file.files[0])
    file.value = ""
  })
  dialog.addEventListener("dragover", (event) => event.preventDefault())
  dialog.addEventListener("drop", (event) => {
    event.preventDefault()
    if (event.dataTransfer.files[0]) add(event.dataTransfer.files[0])
  })
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "insert" || !chosen) return
    const { src, width } = chosen.dataset
    const detail = { src, alt: words.value.trim(), width: Number(width) }
    document.dispatchEvent(new CustomEvent("letter:picture", { detail }))
  })
  document.addEventListener("letter:pick", ({ detail }) => {
    dialog.returnValue = ""
    words.value = detail?.alt ?? ""
    choose(null)
    dialog.showModal()
    if (detail?.file) add(detail.file)
    else show([library, { headers }])
  })
}
