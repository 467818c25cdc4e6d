import { Button, NumberInput, TextInput } from "@mantine/core";
import { IconCircleCheckFilled } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, taken, type Worker } from "../../api/client";
import { queryClient, workersQuery } from "../../api/queries";
import { Copyable } from "../../components/Copyable";
import { Dialog } from "../../components/Dialog";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";

const INVITATION_SECONDS = 3_600;
const quoted = (text: string) => (/^[\w.:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Makes an invitation, shows the command that uses it, and says when the worker is there. */
export function AddWorker({ close, known }: { close: () => void; known: Worker[] }) {
  // Those that were there before; the list goes on being read while this is open.
  const [before] = useState(() => new Set(known.map((worker) => worker.id)));
  const [name, setName] = useState("builder");
  const [slots, setSlots] = useState<number | string>(2);
  const arrived = useQuery(workersQuery).data?.find((worker) => !before.has(worker.id));
  const invite = useMutation({
    mutationFn: () =>
      taken(
        api.POST("/api/v1/tokens", {
          body: { name: name.slice(0, 80), kind: "enrolment", seconds: INVITATION_SECONDS },
        }),
      ),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ["tokens"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    invite.mutate();
  };
  return (
    <Dialog close={close} title="Add a worker" size="lg">
      {!invite.data ? (
        <form className="stack" onSubmit={submit}>
          <p>
            A worker needs Linux, git, bubblewrap or a container engine, this program, and a way to your
            repositories. It connects to this address; nothing connects to it.
          </p>
          <TextInput
            label="Name"
            required
            maxLength={80}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
          <NumberInput
            label="Slots"
            description="Tasks at once"
            min={1}
            max={1000}
            value={slots}
            onChange={setSlots}
          />
          <Notice error={invite.error} />
          <Button type="submit" loading={invite.isPending}>
            Make an invitation
          </Button>
        </form>
      ) : (
        <div className="stack">
          <p>Run this on the machine. The invitation is good for one hour, and is shown only now.</p>
          <Copyable
            label="Copy the command"
            text={[
              `export PULLYARD_WORKER_ENROLMENT_TOKEN=${invite.data.secret}`,
              `pullyard worker --url ${quoted(location.origin)} --name ${quoted(name)} --slots ${Number(slots) || 1}`,
            ].join("\n")}
          />
          {location.hostname === "127.0.0.1" || location.hostname === "localhost" ? (
            <p className="quiet">
              You came here by an address of this machine alone. For another machine the coordinator has to
              listen on the network, and the command has to name that address.
            </p>
          ) : null}
          <div className="arrival" role="status" data-there={!!arrived}>
            {arrived ? (
              <>
                <IconCircleCheckFilled size={22} aria-hidden />
                <span>
                  <strong>{plain(arrived.name)}</strong> is connected.
                </span>
              </>
            ) : (
              <>
                <span className="waiting-dot" aria-hidden />
                Waiting for it to connect…
              </>
            )}
          </div>
          <Button variant={arrived ? "filled" : "default"} onClick={close}>
            Done
          </Button>
        </div>
      )}
    </Dialog>
  );
}
