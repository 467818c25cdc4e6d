import { afterEach, beforeEach, expect, test, vi } from "vitest";

/** As much of a browser as the pages and their worker need to become new. */
class Workers extends EventTarget {
  controller: object = { state: "activated" };
  registration = Object.assign(new EventTarget(), {
    waiting: { state: "installed", postMessage: vi.fn() },
    installing: null as EventTarget | null,
  });
  register = vi.fn(async () => this.registration);
}

let workers: Workers;
const reload = vi.fn();

beforeEach(() => {
  vi.resetModules();
  vi.stubEnv("PROD", true);
  reload.mockClear();
  workers = new Workers();
  vi.stubGlobal("navigator", { serviceWorker: workers });
  vi.stubGlobal("location", { origin: "https://pullyard.test", reload });
  vi.stubGlobal("document", Object.assign(new EventTarget(), { readyState: "complete" }));
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

const registered = () => vi.waitFor(() => workers.register.mock.results[0]?.value);

async function installed() {
  const pages = await import("../src/lib/install");
  pages.install(() => undefined);
  await expect.poll(() => pages.newVersion.get()).not.toBeNull();
  return pages;
}

test("a page loads the new version once its worker has taken over", async () => {
  const { takeNewVersion } = await installed();
  takeNewVersion();
  expect(workers.registration.waiting.postMessage).toHaveBeenCalledWith("take over");
  expect(reload).not.toHaveBeenCalled();
  workers.dispatchEvent(new Event("controllerchange"));
  expect(reload).toHaveBeenCalledOnce();
});

test("a page whose version was replaced from another tab offers to be loaded anew", async () => {
  const { newVersion, takeNewVersion } = await installed();
  const installing = new EventTarget();
  workers.registration.installing = installing;
  workers.registration.dispatchEvent(new Event("updatefound"));
  workers.controller = { state: "activating" };
  Object.assign(workers.registration, { waiting: null });
  workers.dispatchEvent(new Event("controllerchange"));
  installing.dispatchEvent(new Event("statechange"));
  expect(newVersion.get()).toBe(workers.controller);
  expect(reload).not.toHaveBeenCalled();
  takeNewVersion();
  expect(reload).toHaveBeenCalledOnce();
});

test("a worker that waits no more is not waited for", async () => {
  const { takeNewVersion } = await installed();
  workers.registration.waiting.state = "activated";
  takeNewVersion();
  expect(reload).toHaveBeenCalledOnce();
});

test("the first version of all is no new one", async () => {
  Object.assign(workers, { controller: null });
  const pages = await import("../src/lib/install");
  pages.install(() => undefined);
  await registered();
  workers.registration.dispatchEvent(new Event("updatefound"));
  expect(pages.newVersion.get()).toBeNull();
});

test("a page that was open for long looks for a new version once somebody comes back", async () => {
  await installed();
  const update = vi.fn(async () => undefined);
  Object.assign(workers.registration, { update });
  const back = () => document.dispatchEvent(new Event("visibilitychange"));
  Object.assign(document, { visibilityState: "visible" });
  back();
  expect(update).not.toHaveBeenCalled();
  const hours = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 2 * 3_600_000);
  back();
  back();
  expect(update).toHaveBeenCalledOnce();
  hours.mockRestore();
});

test("a notification leads a page that is open to its address", async () => {
  const opened: string[] = [];
  const pages = await import("../src/lib/install");
  pages.install((address) => opened.push(address));
  for (const data of [{ open: "/tasks/task_1" }, { open: 1 }, null])
    workers.dispatchEvent(Object.assign(new Event("message"), { data }));
  expect(opened).toEqual(["/tasks/task_1"]);
});
