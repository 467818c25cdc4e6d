import { afterEach, beforeEach, expect, test, vi } from "vitest";

/** As much of a browser as the pages and their worker need to become new. */
class Workers extends EventTarget {
  controller: object = { state: "activated" };
  registration = Object.assign(new EventTarget(), {
    waiting: { state: "installed", postMessage: vi.fn() },
    installing: null as EventTarget | null,
  });
  register = async () => this.registration;
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

test("what an older page loads of itself comes from the shell that was kept of it", async () => {
  const old = "https://pullyard.test/assets/old-1.js";
  vi.stubGlobal("FILES", ["/"]);
  vi.stubGlobal("VERSION", "new");
  const self = Object.assign(new EventTarget(), { location });
  vi.stubGlobal("self", self);
  vi.stubGlobal("caches", { match: async ({ url }: Request) => (url === old ? new Response("kept") : null) });
  await import("../src/worker/sw");
  const answers: Promise<Response>[] = [];
  const respondWith = (answer: Promise<Response>) => answers.push(answer);
  const event = Object.assign(new Event("fetch"), { request: new Request(old), respondWith });
  self.dispatchEvent(event);
  expect(await (await answers[0])?.text()).toBe("kept");
});
