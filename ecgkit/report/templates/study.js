"use strict";
const tools = document.getElementById("tools");
const find = document.getElementById("find");
const only = document.getElementById("only");

function sift() {
  const wanted = find.value.trim().toLowerCase();
  for (const part of document.querySelectorAll("[data-subject]")) {
    const named = part.dataset.subject.toLowerCase().includes(wanted);
    part.hidden = !named || (only.checked && !part.classList.contains("todo"));
  }
  for (const table of document.querySelectorAll(".grids table")) {
    table.hidden = !table.querySelector("tbody tr:not([hidden])");
  }
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const subject = target && target.closest("details");
  if (subject && !subject.open) {
    subject.open = true;
    target.scrollIntoView();
  }
}

tools.hidden = false;
find.addEventListener("input", sift);
only.addEventListener("change", sift);
addEventListener("hashchange", openTarget);
openTarget();
