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
