document.documentElement.classList.add("scripted");
depthSection();
heatSection();
tableSection();
layerSection();
historySection();
flowSection();
runsSection();
for (const button of document.querySelectorAll("button[data-layer]")) {
  button.addEventListener("click", () => goToLayer(Number(button.dataset.layer)));
}
// On paper nothing can be opened.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
