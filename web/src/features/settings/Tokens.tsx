import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, taken } from "../../api/client";
import { queryClient, tokensQuery } from "../../api/queries";
import { Copyable } from "../../components/Copyable";
import { Dialog } from "../../components/Dialog";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { SureButton } from "../../components/SureButton";
import { ago, useNow } from "../../lib/format";
import { toastError } from "../../lib/toasts";

const DAY = 86_400;

export function Tokens() {
  const tokens = useQuery(tokensQuery);
  const now = useNow(60);
  const [making, setMaking] = useState(false);
  const revoke = useMutation({
    mutationFn: (token_id: string) =>
      taken(api.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id } } })),
    onError: toastError,
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["tokens"] }),
  });
  return (
    <section className="panel">
      <div className="row between">
        <h2>API tokens</h2>
        <Button size="compact-sm" variant="default" onClick={() => setMaking(true)}>
          Make a token
        </Button>
      </div>
      <Notice error={tokens.error} />
      {tokens.data?.length === 0 && <p className="quiet">Programs that use the API have one each.</p>}
      <ul className="lines">
        {tokens.data?.map((token) => (
          <li key={token.id} data-row>
            <span>
              <strong>{plain(token.name)}</strong>
              <span className="quiet">
                {plain(token.kind)}
                {token.last_used_at ? `, used ${ago(token.last_used_at, now)}` : ", not used yet"}
                {token.expires_at && `, until ${new Date(token.expires_at).toLocaleString()}`}
              </span>
            </span>
            <SureButton
              word="Revoke"
              label={`Revoke ${plain(token.name)}`}
              title="Revoke this token?"
              text="Whatever uses it is refused from now on, for good."
              run={() => revoke.mutate(token.id)}
            />
          </li>
        ))}
      </ul>
      {making && <MakeToken close={() => setMaking(false)} />}
    </section>
  );
}

function MakeToken({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState<"api" | "events">("api");
  const [days, setDays] = useState("90");
  const make = useMutation({
    mutationFn: () => {
      const seconds = days ? Number(days) * DAY : null;
      return taken(api.POST("/api/v1/tokens", { body: { name, kind, seconds } }));
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ["tokens"] }),
  });
  if (make.data?.secret)
    return (
      <Dialog close={close} title="The new token">
        <div className="stack">
          <p>It is shown only now. Whoever has it acts as you.</p>
          <Copyable label="Copy the token" text={make.data.secret} />
          <Button onClick={close}>Done</Button>
        </div>
      </Dialog>
    );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <Dialog close={close} title="Make a token">
      <form className="stack" onSubmit={submit}>
        <TextInput
          label="Name"
          description="What it is for"
          required
          maxLength={80}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
        />
        <NativeSelect
          label="It may"
          value={kind}
          onChange={(event) => setKind(event.currentTarget.value === "events" ? "events" : "api")}
          data={[
            { value: "api", label: "do all that you may" },
            { value: "events", label: "hand in events, and nothing else" },
          ]}
        />
        <NativeSelect
          label="It ends"
          value={days}
          onChange={(event) => setDays(event.currentTarget.value)}
          data={[
            { value: "7", label: "after a week" },
            { value: "90", label: "after 90 days" },
            { value: "365", label: "after a year" },
            { value: "", label: "never" },
          ]}
        />
        <Notice error={make.error} />
        <Button type="submit" loading={make.isPending}>
          Make it
        </Button>
      </form>
    </Dialog>
  );
}
