/** Where somebody is among the files of the page, told by the focus or else by what is at the top of the window. */

const TOP = 140;

const files = () => [...document.querySelectorAll<HTMLElement>("[data-file]")];

export function currentFile(): HTMLElement | undefined {
  const all = files();
  const focused = document.activeElement?.closest<HTMLElement>("[data-file]");
  return focused ?? all.findLast((one) => one.getBoundingClientRect().top < TOP);
}

function show(file: HTMLElement | undefined | null) {
  file?.scrollIntoView({ block: "start" });
  file?.querySelector<HTMLElement>(".file-fold")?.focus({ preventScroll: true });
}

export const goTo = (id: string) => show(document.getElementById(id));

export function goToNext(by: 1 | -1) {
  const all = files();
  const here = currentFile();
  const place = here ? all.indexOf(here) + by : 0;
  show(all[Math.min(all.length - 1, Math.max(0, place))]);
}
