import { Button } from "@mantine/core";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { memo, type ReactNode, useEffect, useRef, useState } from "react";
import { cut, lineCount, MOST_LINES } from "../../components/diff/bounds";
import { FileLines, type Side } from "../../components/diff/FileLines";
import type { FileDiff, Line } from "../../components/diff/parse";
import { plain } from "../../components/plain";
import { RemarkBox } from "./Remark";
import { type Remark, sameLine } from "./remarks";

/** A file with more lines is shown once somebody asks for it. */
const FOLDED_LINES = 400;
/** In pixels; what is that near to the window is put onto the page. */
const NEAR = "1200px 0px";

type Props = {
  changeId: string;
  file: FileDiff;
  id: string;
  split: boolean;
  seen: boolean;
  mark: (file: FileDiff, seen: boolean) => void;
  /** Those of this file; null: the change takes no remarks any more. */
  remarks: Remark[] | null;
};

export function FileView({ changeId, file, id, split, seen, mark, remarks }: Props) {
  const [unfolded, unfold] = useState(!seen);
  const { path, added, removed } = file;
  const slash = path.lastIndexOf("/") + 1;
  const check = (now: boolean) => {
    mark(file, now);
    unfold(!now);
  };
  return (
    <section className="file" id={id} data-file aria-label={plain(path)}>
      <div className="file-head">
        <button
          type="button"
          className="file-fold"
          aria-expanded={unfolded}
          onClick={() => unfold(!unfolded)}
        >
          {unfolded ? <IconChevronDown size={17} aria-hidden /> : <IconChevronRight size={17} aria-hidden />}
          <span className="file-name">
            <span className="quiet">{plain(path.slice(0, slash))}</span>
            {plain(path.slice(slash))}
          </span>
        </button>
        {file.what !== "modified" && <span className="chip">{whatOf(file)}</span>}
        <span className="counts">
          <span data-tone="good">+{added}</span> <span data-tone="bad">−{removed}</span>
        </span>
        <label className="viewed">
          <input type="checkbox" checked={seen} onChange={(event) => check(event.currentTarget.checked)} />
          Viewed
        </label>
      </div>
      {unfolded && <Body changeId={changeId} file={file} split={split} remarks={remarks} />}
    </section>
  );
}

const whatOf = ({ what, from }: FileDiff) => (from === null ? what : `was ${plain(from)}`);

function Body({ changeId, file, split, remarks }: Pick<Props, "changeId" | "file" | "split" | "remarks">) {
  const count = lineCount(file);
  const [asked, ask] = useState(count <= FOLDED_LINES && file.what !== "deleted");
  if (file.binary) return <p className="file-note">A binary file: look at it on the branch.</p>;
  if (count === 0 && file.notes.length === 0)
    return <p className="file-note">{file.from === null ? "It is empty." : "Only its name is another."}</p>;
  if (!asked)
    return (
      <p className="file-note">
        <Button variant="default" size="compact-sm" onClick={() => ask(true)}>
          Show {count} lines
        </Button>
      </p>
    );
  return (
    <Near lines={Math.min(count, MOST_LINES)}>
      <Lines changeId={changeId} file={cut(file)} split={split} remarks={remarks} />
      {count > MOST_LINES && (
        <p className="file-note">{count - MOST_LINES} more lines: read them on the branch.</p>
      )}
    </Near>
  );
}

/** Leaves room for so many lines until they are near the window. */
function Near({ lines, children }: { lines: number; children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(false);
  useEffect(() => {
    if (!box.current) return;
    const seen = ([entry]: IntersectionObserverEntry[]) => {
      if (!entry?.isIntersecting) return;
      setNear(true);
      watching.disconnect();
    };
    const watching = new IntersectionObserver(seen, { rootMargin: NEAR });
    watching.observe(box.current);
    return () => watching.disconnect();
  }, []);
  return (
    <div ref={box} style={near ? undefined : { minHeight: `${lines * 19}px` }}>
      {near && children}
    </div>
  );
}

type LinesProps = Pick<Props, "changeId" | "file" | "split" | "remarks">;

const Lines = memo(function Lines({ changeId, file, split, remarks }: LinesProps) {
  const [open, setOpen] = useState<Remark | null>(null);
  if (!remarks) return <FileLines file={file} split={split} />;
  const newAt = (side: Side, line: Line): Remark => ({
    path: file.path,
    side,
    line: line[side] ?? 0,
    quote: line.text,
    text: "",
  });
  const kept = (at: Remark) => remarks.find((one) => sameLine(one, at));
  const pick = (side: Side, line: Line) => {
    const at = newAt(side, line);
    setOpen(kept(at) ?? at);
  };
  const below = (side: Side, line: Line) => {
    const at = newAt(side, line);
    const isOpen = open !== null && sameLine(open, at);
    const remark = kept(at) ?? (isOpen ? open : null);
    if (!remark) return null;
    return (
      <RemarkBox
        key={`${isOpen}`}
        changeId={changeId}
        remark={remark}
        open={isOpen}
        setOpen={(now) => setOpen(now ? remark : null)}
      />
    );
  };
  return <FileLines file={file} split={split} pick={pick} below={below} />;
});
