// A form like paper: Enter goes on, the first mistake is where one begins, and a draft on its way is waited for.
const form = document.querySelector("form.ts-fields");

// Words of a reader are sent by the button beside them: Enter goes there, and never to the first button of the page.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || !event.target.matches("input[form=review]")) return;
  event.preventDefault();
  const buttons = [...document.querySelectorAll("button[form=review]")];
  const next = buttons.find((one) => event.target.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING);
  if (next) next.focus();
});

function stops() {
  const all = form.querySelectorAll(".ts-row[data-item]:not(.ts-not-asked) .ts-entry:enabled, .ts-row:not([data-item])");
  const first = [...all].map((row) =>
    row.querySelector("input:checked") || row.querySelector("input:not([type=hidden]), select:not(.ts-missing), textarea"));
  return first.filter((one) => one && !one.disabled).concat([...form.querySelectorAll(".ts-actions button")].slice(0, 1));
}

if (form) {
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.matches("button, textarea, summary, a")) return;
    event.preventDefault();
    if (event.target.form !== form) return;
    const row = event.target.closest(".ts-row");
    const order = stops();
    const next = order.find((one) => row.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING && !row.contains(one));
    if (next) next.focus();
  });

  // Why there is no answer stands in place of an answer, and an answer in place of why there is none.
  form.addEventListener("change", (event) => {
    const entry = event.target.closest(".ts-entry");
    if (!event.target.classList.contains("ts-missing")) {
      const reason = entry && !event.target.name.endsWith("__unit") && entry.querySelector("select.ts-missing");
      const given = /^(radio|checkbox)$/.test(event.target.type) ? event.target.checked : event.target.value;
      if (reason && given) { reason.value = ""; reason.classList.remove("chosen"); }
      return;
    }
    event.target.classList.toggle("chosen", event.target.value !== "");
    if (!event.target.value) return;
    for (const one of entry.querySelectorAll("input, textarea")) {
      if (one.type === "radio" || one.type === "checkbox") one.checked = false;
      else one.value = "";
    }
    for (const one of entry.querySelectorAll("select:not(.ts-missing):not([name$=__unit])")) one.value = "";
  });

  // Saving while a draft is on its way would meet its own draft as a stranger's: it waits for the answer.
  let under_way = 0, wanted = null, leaving = false;
  form.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id !== "ts-draft") return;
    if (wanted || leaving) event.preventDefault();
    else under_way += 1;
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    if (event.target.id !== "ts-draft") return;
    under_way -= 1;
    if (wanted && !under_way) { const button = wanted; wanted = null; form.requestSubmit(button); }
  });
  form.addEventListener("submit", (event) => {
    if (!under_way) { leaving = true; return; }
    event.preventDefault();
    event.stopPropagation();
    wanted = event.submitter;
  });

  const fault = form.querySelector(".ts-row .ts-error");
  const first = fault ? fault.closest(".ts-row").querySelector("input:not([type=hidden]), select, textarea") : form.dataset.first && !location.hash ? stops()[0] : null;
  if (first) first.focus();
}
