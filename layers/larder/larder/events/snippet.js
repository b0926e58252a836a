// Sends what a visitor does: larder("click", {item: "p0007"})
(() => {
  const { src, dataset } = document.currentScript, early = window.larder
  const url = new URL(`v1/models/${dataset.model}/events?key=${dataset.key}`, src)
  const id = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), b => (b + 256).toString(16).slice(1)).join("")
  const larder = window.larder = (type, fields) => {
    const body = JSON.stringify({ id: id(), type, session_id: larder.session, user: larder.user, ...fields })
    if (!navigator.sendBeacon?.(url, body)) fetch(url, { method: "POST", body, keepalive: true }).catch(() => {})
  }
  const keep = session => {
    larder.session = session
    try { localStorage.larder = session } catch {}
  }
  larder.reset = () => { // at logout
    larder.user = undefined
    keep(id())
  }
  larder.user = early?.user ?? dataset.user
  try { larder.session = localStorage.larder } catch {}
  keep(larder.session ?? id())
  early?.q?.forEach(call => larder(...call))
})()
