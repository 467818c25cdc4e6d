import type { Change } from "../../api/client";
import { collisions, problemsOf, respondingTask } from "../../lib/changes";

/** What was looked at here of a change; `unseen` is how many of its files were not. */
export type Looked = { read: boolean; cut: boolean; unseen: number };

/** What speaks against a merge, each in a few words; `remarks` is how many are not sent. */
export function doubtsAbout(change: Change, remarks: number, { read, cut, unseen }: Looked): string[] {
  const others = collisions(change).length;
  return [
    ...problemsOf(change),
    ...(respondingTask(change) ? ["an agent is at it"] : []),
    ...(others > 0
      ? [`${others} other ${others === 1 ? "change has" : "changes have"} conflicts after it`]
      : []),
    ...(remarks > 0 ? [`${remarks} of your remarks are not sent`] : []),
    ...(read ? [] : ["its diff was not read here"]),
    ...(cut ? ["its diff is cut here"] : []),
    ...(unseen > 0 ? [`${unseen} ${unseen === 1 ? "file" : "files"} not marked as viewed`] : []),
  ];
}
