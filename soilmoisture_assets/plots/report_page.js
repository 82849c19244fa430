"use strict";
/* The whole page: how old it and its forecast are by now, and sections that open where they are looked for. */
(() => {
  const day = 86400000;
  const days = (since) => Math.floor((Date.now() - Date.parse(since)) / day);
  const counted = (count) => `${count.toLocaleString("en")} day${count === 1 ? "" : "s"}`;

  const made = document.getElementById("made");
  const age = made ? days(made.dateTime) : 0;
  if (age >= 1) {
    for (const element of document.querySelectorAll("[data-since]")) {
      element.textContent += ` and ${counted(days(element.dataset.since))} before it was opened`;
    }
    const opened = document.getElementById("opened");
    opened.textContent = `That was ${counted(age)} before it was opened: it knows nothing of what the store got since. ` +
      "The command soilmoisture report says what is newer, and makes it again.";
    opened.hidden = false;
  }

  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const folded = target && (target.querySelector(":scope > details.section") || target.closest("details"));
    if (folded && !folded.open) folded.open = true;
  };
  addEventListener("hashchange", reveal);
  for (const link of document.querySelectorAll('nav a[href^="#"]')) link.addEventListener("click", () => setTimeout(reveal));
  reveal();

  /* Paper cannot be unfolded: everything is open while the page is printed. */
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of folded) details.open = false; });
})();
