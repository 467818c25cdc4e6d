import { Button } from "@mantine/core";
import { Dialog } from "./Dialog";

type Props = { title: string; text: string; yes: string; close: () => void; confirm: () => void };

/** Asks before something that can't be taken back. */
export function Confirm({ title, text, yes, close, confirm }: Props) {
  return (
    <Dialog close={close} title={title} fullScreen={false} centered>
      <div className="stack">
        <p>{text}</p>
        <div className="row">
          <Button
            color="red"
            data-autofocus
            onClick={() => {
              close();
              confirm();
            }}
          >
            {yes}
          </Button>
          <Button variant="default" onClick={close}>
            Leave it as it is
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
