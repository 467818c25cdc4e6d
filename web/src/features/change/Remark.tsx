import { Button, Textarea } from "@mantine/core";
import { useState } from "react";
import { plain } from "../../components/plain";
import { sends } from "../../lib/keys";
import { putRemark, type Remark } from "./remarks";

type Props = { changeId: string; remark: Remark; open: boolean; setOpen: (open: boolean) => void };

/** What somebody says of a line: as it is, or while it is written. */
export function RemarkBox({ changeId, remark, open, setOpen }: Props) {
  const [text, setText] = useState(remark.text);
  const done = (put: string) => {
    putRemark(changeId, { ...remark, text: put });
    setOpen(false);
  };
  if (!open)
    return (
      <div className="remark">
        <p className="text">{plain(remark.text)}</p>
        <Button size="compact-xs" variant="default" onClick={() => setOpen(true)}>
          Change
        </Button>
      </div>
    );
  return (
    <div className="remark">
      <Textarea
        aria-label={`Remark on line ${remark.line}`}
        placeholder="What should be different here?"
        autosize
        minRows={2}
        autoFocus
        maxLength={8_000}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          // What was written is kept by Escape, too: it is gone by Cancel alone.
          if (event.key === "Escape" || sends(event)) done(text);
        }}
      />
      <div className="row">
        <Button size="compact-sm" onClick={() => done(text)}>
          Keep the remark
        </Button>
        <Button size="compact-sm" variant="default" onClick={() => (remark.text ? done("") : setOpen(false))}>
          {remark.text ? "Remove" : "Cancel"}
        </Button>
      </div>
    </div>
  );
}
