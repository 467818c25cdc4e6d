import { Link } from "@tanstack/react-router";
import type { Change } from "../../api/client";
import { plain } from "../../components/plain";

type Update = NonNullable<Change["update"]>;

/** The changes for which another one was brought up to date. */
export function MergedFirst({ because_of }: Pick<Update, "because_of">) {
  return because_of.map((one, place) => (
    <span key={one.change_id}>
      {place > 0 && ", "}
      <Link to="/changes/$changeId" params={{ changeId: one.change_id }}>
        #{one.task_number} {plain(one.title)}
      </Link>
    </span>
  ));
}
