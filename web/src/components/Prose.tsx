import { lazy, Suspense } from "react";
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
    <Suspense fallback={written}>
      <Markdown text={text} />
    </Suspense>
  );
}
