import { lazy } from "react";
import { Optional } from "./Optional";
import { WithCode } from "./WithCode";

const Markdown = lazy(() => import("./markdown/Markdown"));

/** Text that may be Markdown: as it was written, until what reads it has come. */
export function Prose({ text }: { text: string }) {
  const written = (
    <p className="text">
      <WithCode text={text} />
    </p>
  );
  return (
    <Optional fallback={written}>
      <Markdown text={text} />
    </Optional>
  );
}
