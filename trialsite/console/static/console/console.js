// Browsers send a date or time that is typed by half as if the field were empty: it is told at the field, and nothing is sent.
document.addEventListener("submit", (event) => {
  const half = [...event.target.elements].find((one) => one.validity?.badInput);
  if (!half) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  half.reportValidity();
}, true);

// A form is sent once: the button rests after the first click.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.classList.contains("ts-once")) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  for (const button of form.querySelectorAll("button[type=submit]")) button.classList.add("ts-resting");
});
document.addEventListener("click", (event) => {
  if (event.target.classList.contains("ts-print")) window.print();
});

// The answer to what was typed says which items do not apply: their rows step back, and what stands in them stays.
function showAsked() {
  const head = document.querySelector("#ts-draft [data-not-asked], #ts-verdict [data-not-asked]");
  if (!head) return;
  const left = head.dataset.notAsked.split(" ");
  for (const row of document.querySelectorAll(".ts-row[data-item]")) {
    row.classList.toggle("ts-not-asked", left.includes(row.dataset.item));
  }
}
document.addEventListener("DOMContentLoaded", showAsked);
document.addEventListener("htmx:afterSettle", showAsked);
