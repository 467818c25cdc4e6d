import { queryOptions } from "@tanstack/react-query";
import { kept } from "../lib/stores";
import { api, taken } from "./client";
import { muted } from "./notifications";
import { queryClient } from "./queries";
import { known } from "./remember";
import { eventsBut } from "./told";

/** This device is told of things while no page is open, for whoever asked for it. */

export const pushQuery = queryOptions({
  queryKey: ["push"],
  queryFn: () => taken(api.GET("/api/v1/push")),
});

/** Phones of Apple have it only for what is on the home screen, and nobody where there is no TLS. */
export const canBeTold = () => !!navigator.serviceWorker && "PushManager" in window;

/** Whose device this is; empty: it is told nothing. */
const toldFor = kept("told-for", "", (value) => typeof value === "string");
export const isTold = () => toldFor.get() !== "" && toldFor.get() === known()?.member_id;

async function subscribed(): Promise<PushSubscription | null> {
  if (!canBeTold()) return null;
  const registration = await navigator.serviceWorker.getRegistration();
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/** Call it for a click: the browser asks for leave. Throws what the browser or the coordinator says. */
export async function tellThisDevice() {
  if ((await Notification.requestPermission()) !== "granted")
    throw new Error("The browser does not allow it: change that in its settings for this site.");
  const { public_key } = await queryClient.fetchQuery(pushQuery);
  const { pushManager } = await navigator.serviceWorker.ready;
  const wanted = { userVisibleOnly: true, applicationServerKey: public_key };
  const subscription = await pushManager.subscribe(wanted).catch(async () => {
    // One of another installation at this address is in the way.
    await (await subscribed())?.unsubscribe();
    return pushManager.subscribe(wanted);
  });
  await put(subscription);
  toldFor.set(known()?.member_id ?? "");
}

async function put(subscription: PushSubscription) {
  const { endpoint = "", keys = {} } = subscription.toJSON();
  const body = {
    endpoint,
    p256dh: keys.p256dh ?? "",
    auth: keys.auth ?? "",
    name: nameOf(navigator.userAgent),
    events: eventsBut(muted.get()),
  };
  await taken(api.PUT("/api/v1/push/devices", { body }));
  await queryClient.invalidateQueries({ queryKey: ["push"] });
}

/** Another choice of kinds is for this device, too. */
export async function tellOfOthers() {
  const subscription = isTold() ? await subscribed() : null;
  if (subscription) await put(subscription);
}

/** What was told for a login that is over goes on for the next one of the same person. */
export async function goOnTelling() {
  if (!isTold()) return;
  const subscription = await subscribed();
  if (!subscription) return toldFor.set("");
  const { devices } = await queryClient.fetchQuery(pushQuery);
  if (!devices.some(({ endpoint }) => endpoint === subscription.endpoint)) await put(subscription);
}

export async function tellNoMore(device_id?: string) {
  const subscription = await subscribed();
  const { devices } = await queryClient.fetchQuery(pushQuery);
  const mine = devices.find(({ endpoint }) => endpoint === subscription?.endpoint);
  const id = device_id ?? mine?.id;
  if (id)
    await taken(api.DELETE("/api/v1/push/devices/{device_id}", { params: { path: { device_id: id } } }));
  if (id === mine?.id) await forgetDevice();
  await queryClient.invalidateQueries({ queryKey: ["push"] });
}

/** The coordinator tells nobody whose login is over; this is for the browser. */
export async function forgetDevice() {
  toldFor.set("");
  await (await subscribed())?.unsubscribe();
}

const BROWSERS = [/Edg/, /Firefox|FxiOS/, /Chrome|CriOS/, /Safari/];
const BROWSER_NAMES = ["Edge", "Firefox", "Chrome", "Safari"];
const SYSTEMS = ["Android", "iPhone", "iPad", "Windows", "Mac", "Linux"];

export function nameOf(agent: string): string {
  const browser = BROWSER_NAMES[BROWSERS.findIndex((one) => one.test(agent))] ?? "A browser";
  const system = SYSTEMS.find((one) => agent.includes(one));
  return system ? `${browser}, ${system}` : browser;
}
