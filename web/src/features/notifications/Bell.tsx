import { ActionIcon, Popover } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBell,
  IconCoin,
  IconGitPullRequest,
  IconHelpCircle,
  IconPlayerPause,
  IconServerOff,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { muted, seen } from "../../api/notifications";
import { comparisonsQuery, newestTasksQuery } from "../../api/queries";
import { addressOf, KINDS, type Kind, type Told } from "../../api/told";
import { plain } from "../../components/plain";
import { ago, useNow } from "../../lib/format";
import { useStore } from "../../lib/stores";
import { startTelling, told, wanted } from "./store";
import "./notifications.css";

const ICONS: Record<Kind, typeof IconBell> = {
  "needs-you": IconHelpCircle,
  review: IconGitPullRequest,
  failed: IconAlertTriangle,
  automation: IconPlayerPause,
  worker: IconServerOff,
  budget: IconCoin,
};
const SHOWN = 20;

/** What happened that people should know, newest first, with a mark for what was not seen yet. */
export default function Bell() {
  const all = useStore(told);
  const silent = useStore(muted);
  const seenTo = useStore(seen);
  const [open, setOpen] = useState(false);
  useEffect(startTelling, []);
  const { shown, fresh } = wanted(all, silent, seenTo);
  useEffect(() => {
    navigator.setAppBadge?.(fresh).catch(() => undefined);
  }, [fresh]);
  const change = (now: boolean) => {
    setOpen(now);
    const newest = shown[0];
    if (!now && newest) seen.set(newest.id);
  };
  return (
    <Popover
      opened={open}
      onChange={change}
      position="bottom-end"
      width={360}
      shadow="md"
      trapFocus
      returnFocus
    >
      <Popover.Target>
        <ActionIcon
          variant="default"
          size={36}
          radius="md"
          className="bell"
          aria-label={fresh > 0 ? `Notifications, ${fresh} new` : "Notifications"}
          onClick={() => change(!open)}
        >
          <IconBell size={19} stroke={1.7} />
          {fresh > 0 && (
            <span className="bell-count" aria-hidden>
              {fresh > 9 ? "9+" : fresh}
            </span>
          )}
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown p={0} className="bell-box" aria-label="Notifications">
        <div className="bell-head">
          <h2>Notifications</h2>
          <Link to="/settings" hash="notifications" onClick={() => change(false)}>
            Choose which
          </Link>
        </div>
        {shown.length === 0 && (
          <p className="bell-none">Nothing to tell. Questions, reviews and failures show up here.</p>
        )}
        <ul>
          {shown.slice(0, SHOWN).map((one) => (
            <Row key={one.id} one={one} fresh={one.id > seenTo} close={() => change(false)} />
          ))}
        </ul>
      </Popover.Dropdown>
    </Popover>
  );
}

function Row({ one, fresh, close }: { one: Told; fresh: boolean; close: () => void }) {
  const now = useNow(30);
  const tasks = useQuery({ ...newestTasksQuery, enabled: one.taskId !== null }).data;
  const comparisons = useQuery({ ...comparisonsQuery, enabled: one.comparisonId !== null }).data;
  const subject =
    tasks?.find(({ id }) => id === one.taskId) ?? comparisons?.find(({ id }) => id === one.comparisonId);
  const Icon = ICONS[one.kind];
  return (
    <li data-fresh={fresh} data-kind={one.kind}>
      <Link to={addressOf(one)} onClick={close}>
        <Icon size={18} stroke={1.7} aria-hidden />
        <span className="bell-text">
          <strong>
            {KINDS.find(({ kind }) => kind === one.kind)?.name}
            {subject && `: ${plain(subject.title)}`}
          </strong>
          <span className="quiet">
            {plain(one.text).slice(0, 160)} · {ago(one.at, now)}
          </span>
        </span>
      </Link>
    </li>
  );
}
