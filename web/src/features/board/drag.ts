import { combine } from "@atlaskit/pragmatic-drag-and-drop/combine";
import {
  draggable,
  dropTargetForElements,
  monitorForElements,
} from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { type RefObject, useEffect, useState } from "react";
import type { Task } from "../../api/client";
import { canMove, canRetry } from "../../api/tasks";
import { dropInto, moveBeside } from "./actions";
import type { Column } from "./columns";

type Carried = { task: Task; column: Column };
export type Edge = "before" | "after";

const carried = (data: Record<string | symbol, unknown>) => data as Carried;

function edgeAt(element: Element, y: number): Edge {
  const box = element.getBoundingClientRect();
  return y < box.top + box.height / 2 ? "before" : "after";
}

/** Lets a card be dragged, and others be dropped before or behind it. */
export function useCardDrag(element: RefObject<HTMLElement | null>, task: Task, column: Column) {
  const [edge, setEdge] = useState<Edge | null>(null);
  const [away, setAway] = useState(false);
  useEffect(() => {
    if (!element.current) return;
    const card = element.current;
    return combine(
      draggable({
        element: card,
        canDrag: () => canMove(task) || canRetry(task),
        getInitialData: () => ({ task, column }) satisfies Carried,
        onDragStart: () => setAway(true),
        onDrop: () => setAway(false),
      }),
      dropTargetForElements({
        element: card,
        canDrop: ({ source }) =>
          column === "Queued" &&
          carried(source.data).column === "Queued" &&
          carried(source.data).task.id !== task.id,
        getData: ({ input }) => ({ task, column, edge: edgeAt(card, input.clientY) }),
        onDrag: ({ location }) => setEdge(edgeAt(card, location.current.input.clientY)),
        onDragLeave: () => setEdge(null),
        onDrop: () => setEdge(null),
      }),
    );
  }, [element, task, column]);
  return { edge, away };
}

export function useColumnDrop(element: RefObject<HTMLElement | null>, column: Column): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    if (!element.current) return;
    return dropTargetForElements({
      element: element.current,
      canDrop: ({ source }) => {
        const { task, column: from } = carried(source.data);
        return dropInto(task, from, column) !== undefined;
      },
      getData: () => ({ column }),
      onDragEnter: () => setOver(true),
      onDragLeave: () => setOver(false),
      onDrop: () => setOver(false),
    });
  }, [element, column]);
  return over;
}

/** Does what the drop of a card means. */
export function useDrops() {
  useEffect(
    () =>
      monitorForElements({
        onDrop: ({ source, location }) => {
          const { task, column: from } = carried(source.data);
          const target = location.current.dropTargets[0]?.data as
            | { task?: Task; column: Column; edge?: Edge }
            | undefined;
          if (!target) return;
          if (target.task && target.edge) void moveBeside(task, target.task, target.edge);
          else void dropInto(task, from, target.column)?.();
        },
      }),
    [],
  );
}
