import { afterEach, beforeEach, expect, test, vi } from "vitest";

/** As much of a browser as the service worker needs, and what it has done to it. */
const ORIGIN = "https://pullyard.test";
const LATE_MS = 3_000;
let kept: Map<string, Map<string, string>>;
let scope: EventTarget & Record<string, unknown>;
let network: (request: unknown) => Promise<Response>;
const showNotification = vi.fn(async (_title: string, _options: object) => undefined);
const openWindow = vi.fn(async () => undefined);
const skipWaiting = vi.fn(async () => undefined);
const setAppBadge = vi.fn(async () => undefined);
let pages: { visibilityState: string; postMessage: ReturnType<typeof vi.fn>; focus: () => Promise<void> }[];

class Asked {
  url: string;
  cache: string | undefined;

  constructor(url: string, { cache }: { cache?: string } = {}) {
    [this.url, this.cache] = [url, cache];
  }
}

const caches = {
  keys: async () => [...kept.keys()],
  delete: async (name: string) => kept.delete(name),
  match: async ({ url }: Asked) => (url.endsWith("/assets/older-1.js") ? new Response("kept") : undefined),
  open: async (name: string) => {
    const files = kept.get(name) ?? new Map<string, string>();
    kept.set(name, files);
    return {
      addAll: async (all: (string | Asked)[]) => {
        for (const one of all)
          if (typeof one === "string") files.set(one, "as kept");
          else files.set(one.url, one.cache ?? "");
      },
      match: async (path: string) =>
        files.has(path) ? new Response("the shell", { headers: { Link: "</api/v1/board>" } }) : undefined,
    };
  },
};

beforeEach(async () => {
  vi.resetModules();
  vi.clearAllMocks();
  kept = new Map();
  pages = [];
  scope = Object.assign(new EventTarget(), {
    location: { origin: ORIGIN },
    skipWaiting,
    registration: { showNotification, getNotifications: async () => [{}, {}] },
    clients: { matchAll: async () => pages, openWindow },
  });
  const globals = { self: scope, caches, Request: Asked, navigator: { setAppBadge } };
  const built = { FILES: ["/", "/mark.svg", "/assets/index-1.js"], VERSION: "new" };
  for (const [name, value] of Object.entries({ ...globals, ...built, fetch: (one: unknown) => network(one) }))
    vi.stubGlobal(name, value);
  await import("../src/worker/sw");
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** What the worker answers with, if at all, and when it is done. */
async function happens(type: string, fields: object = {}) {
  const waited: Promise<unknown>[] = [];
  const answers: Promise<Response>[] = [];
  const waitUntil = (promise: Promise<unknown>) => waited.push(promise);
  const respondWith = (answer: Promise<Response>) => answers.push(answer);
  scope.dispatchEvent(Object.assign(new Event(type), { waitUntil, respondWith, ...fields }));
  await Promise.all(waited);
  return answers[0];
}

const goTo = (path: string) =>
  happens("fetch", { request: { method: "GET", mode: "navigate", url: ORIGIN + path } });

test("the shell is kept whole, and what may have changed under its name is read anew", async () => {
  await happens("install");
  expect([...(kept.get("shell-new") ?? [])]).toEqual([
    ["/", "reload"],
    ["/mark.svg", "reload"],
    ["/assets/index-1.js", "as kept"],
  ]);
});

test("of older shells the last one stays, and what is of others", async () => {
  for (const name of ["shell-1", "shell-2", "another", "shell-new"]) kept.set(name, new Map());
  await happens("activate");
  expect([...kept.keys()]).toEqual(["shell-2", "another", "shell-new"]);
});

test("it takes over once a page says so", async () => {
  await happens("message", { data: "something else" });
  expect(skipWaiting).not.toHaveBeenCalled();
  await happens("message", { data: "take over" });
  expect(skipWaiting).toHaveBeenCalledOnce();
});

test.each([
  ["an answer", async () => new Response("fresh"), "fresh"],
  ["a page that is not there", async () => new Response("none", { status: 404 }), "none"],
  ["a proxy's answer", async () => new Response("away", { status: 502 }), "the shell"],
  ["no network", () => Promise.reject(new Error("offline")), "the shell"],
])("a page that is opened is the newest there is: %s", async (_, answers, shown) => {
  await happens("install");
  network = answers;
  expect(await (await goTo("/tasks/task_1"))?.text()).toBe(shown);
});

test("who is not answered soon sees the shell", async () => {
  await happens("install");
  network = () => new Promise(() => undefined);
  vi.useFakeTimers();
  const answer = goTo("/");
  await vi.advanceTimersByTimeAsync(LATE_MS);
  expect((await answer)?.headers.get("link")).toBe(null);
  expect(await (await answer)?.text()).toBe("the shell");
});

test("without a shell the answer is waited for", async () => {
  network = async () => new Response("away", { status: 502 });
  expect((await goTo("/"))?.status).toBe(502);
});

test.each([
  { mode: "cors", method: "GET", url: `${ORIGIN}/api/v1/tasks` },
  { mode: "cors", method: "POST", url: `${ORIGIN}/assets/index-1.js` },
  { mode: "cors", method: "GET", url: "https://other.test/assets/index-1.js" },
  { mode: "navigate", method: "GET", url: `${ORIGIN}/api/v1/executions/exec_1/logs/implement/raw` },
  { mode: "navigate", method: "GET", url: `${ORIGIN}/login?token=1` },
])("what is no page or part of one is left alone: $method $url", async (request) => {
  expect(await happens("fetch", { request })).toBeUndefined();
});

test("what a page loads of itself is kept, of an older page too", async () => {
  network = async () => new Response("from elsewhere");
  const load = async (path: string) => {
    const request = { mode: "no-cors", method: "GET", url: ORIGIN + path };
    return (await happens("fetch", { request }))?.text();
  };
  expect(await load("/assets/older-1.js")).toBe("kept");
  expect(await load("/assets/index-2.js")).toBe("from elsewhere");
});

const pushed = (event: object) => happens("push", { data: { json: () => event } });
const ASKED = {
  kind: "execution.waiting_input",
  cursor: 7,
  task_id: "task_1",
  at: "",
  title: "Paint\u202eit",
};

test("what is pushed is shown once, as text, with how many there are", async () => {
  await pushed({ ...ASKED, payload: { question: `May \u001b[31mI?${"?".repeat(300)}` } });
  const [title, options] = showNotification.mock.calls[0] ?? [];
  expect(title).toBe("Needs you: Paint⟨U+202E⟩it");
  expect(options).toMatchObject({ tag: "event-7", data: "/tasks/task_1" });
  expect((options as { body: string }).body).toBe(`May I?${"?".repeat(194)}`);
  expect(setAppBadge).toHaveBeenCalledWith(2);
});

test("what nobody has to be told of is not", async () => {
  await pushed({ ...ASKED, kind: "task.queued", payload: {} });
  expect(showNotification).not.toHaveBeenCalled();
});

test("a chosen notification opens its page where one can see it", async () => {
  const close = vi.fn();
  const chosen = () => happens("notificationclick", { notification: { close, data: "/tasks/task_1" } });
  await chosen();
  expect(openWindow).toHaveBeenCalledWith("/tasks/task_1");
  const page = (visibilityState: string) => ({
    visibilityState,
    postMessage: vi.fn(),
    focus: async () => undefined,
  });
  pages = [page("hidden"), page("visible")];
  await chosen();
  expect(pages.map(({ postMessage }) => postMessage.mock.calls)).toEqual([[], [[{ open: "/tasks/task_1" }]]]);
  expect(openWindow).toHaveBeenCalledOnce();
});
