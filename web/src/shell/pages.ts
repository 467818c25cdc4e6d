import {
  IconCoin,
  IconGitPullRequest,
  IconLayoutKanban,
  IconPlayerPlay,
  IconServer2,
  IconSettings,
} from "@tabler/icons-react";

/** The pages that one can go to, in the order of the navigation. `key` goes there after G. */
export const PAGES = [
  { to: "/", name: "Board", key: "b", icon: IconLayoutKanban },
  { to: "/review", name: "Review", key: "r", icon: IconGitPullRequest },
  { to: "/automation", name: "Automation", key: "a", icon: IconPlayerPlay },
  { to: "/workers", name: "Workers", key: "w", icon: IconServer2 },
  { to: "/costs", name: "Costs", key: "c", icon: IconCoin },
  { to: "/settings", name: "Settings", key: "s", icon: IconSettings },
] as const;
