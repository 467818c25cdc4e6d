import { Button, type ButtonProps } from "@mantine/core";
import { useState } from "react";
import { Confirm } from "./Confirm";

type Props = ButtonProps & {
  word: string;
  /** Where the word alone does not say of what. */
  label?: string;
  /** What is asked before it is done. */
  title: string;
  text: string;
  yes?: string;
  run: () => void;
};

/** A button of something that can't be taken back. */
export function SureButton({ word, label, title, text, yes = word, run, ...rest }: Props) {
  const [asked, ask] = useState(false);
  return (
    <>
      <Button variant="default" size="compact-sm" aria-label={label} onClick={() => ask(true)} {...rest}>
        {word}
      </Button>
      {asked && <Confirm title={title} text={text} yes={yes} close={() => ask(false)} confirm={run} />}
    </>
  );
}
