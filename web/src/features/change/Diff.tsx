import { useMemo, useState } from "react";
import { plain } from "../../components/plain";
import { type FileDiff, parseDiff } from "./parse";

const OPEN_ROWS = 400;
const MOST_ROWS = 5_000;

export function Diff({ text }: { text: string }) {
  const files = useMemo(() => parseDiff(text), [text]);
  return files.map((file) => <File key={file.key} file={file} />);
}

function File({ file }: { file: FileDiff }) {
  const [open, setOpen] = useState(file.rows.length <= OPEN_ROWS);
  return (
    <details className="file" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <code>{plain(file.path)}</code> <span className="quiet">+{file.added}</span>{" "}
        <span className="quiet">−{file.removed}</span>
      </summary>
      {open && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard.
        <section className="rows" tabIndex={0} aria-label={`Diff of ${plain(file.path)}`}>
          <table>
            <tbody>
              {file.rows.slice(0, MOST_ROWS).map((row, place) => (
                <tr key={place} data-kind={row.kind}>
                  <td className="number">{row.before}</td>
                  <td className="number">{row.after}</td>
                  <td>{plain(row.text)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {file.rows.length > MOST_ROWS && <p>This file is very long; read the rest on the branch.</p>}
        </section>
      )}
    </details>
  );
}
