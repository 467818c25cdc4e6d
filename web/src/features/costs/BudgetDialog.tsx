import { Button, NativeSelect, NumberInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, type Budget, type Project, taken } from "../../api/client";
import { queryClient } from "../../api/queries";
import { Dialog } from "../../components/Dialog";
import { DollarInput, dollarsOf, microsOf } from "../../components/DollarInput";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";

type Props = { budget: Budget | null; projects: Project[]; close: () => void };

export function BudgetDialog({ budget, projects, close }: Props) {
  const [scope, setScope] = useState<Budget["scope"]>(budget?.scope ?? "project");
  const [project, setProject] = useState(budget?.project_id ?? (budget ? "" : (projects[0]?.id ?? "")));
  const [period, setPeriod] = useState<Budget["period"]>(budget?.period ?? "day");
  const [money, setMoney] = useState(dollarsOf(budget?.limit_micros));
  const [tokens, setTokens] = useState<number | string>(budget?.limit_tokens ?? "");
  const [warn, setWarn] = useState<number | string>(budget?.warn_percent ?? 80);
  const single = scope === "task" || scope === "execution";
  const put = useMutation({
    mutationFn: () =>
      taken(
        api.PUT("/api/v1/budgets", {
          body: {
            scope,
            project_id: scope === "tenant" ? null : project || null,
            period: single ? "total" : period,
            limit_micros: microsOf(money),
            limit_tokens: tokens === "" ? null : Number(tokens),
            warn_percent: Number(warn),
          },
        }),
      ),
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: ["budgets"] });
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    put.mutate();
  };
  return (
    <Dialog close={close} title={budget ? "Change the budget" : "Set a budget"}>
      <form className="stack" onSubmit={submit}>
        <NativeSelect
          label="Whose spending"
          disabled={budget !== null}
          value={scope}
          onChange={(event) => setScope(event.currentTarget.value as Budget["scope"])}
          data={[
            { value: "project", label: "A project's" },
            { value: "tenant", label: "All projects' together" },
            { value: "task", label: "Each task's, with all its tries" },
            { value: "execution", label: "Each execution's" },
          ]}
        />
        {scope !== "tenant" && (
          <NativeSelect
            label="Project"
            disabled={budget !== null}
            value={project}
            onChange={(event) => setProject(event.currentTarget.value)}
            data={[
              ...(single ? [{ value: "", label: "In all projects" }] : []),
              ...projects.map((one) => ({ value: one.id, label: plain(one.name) })),
            ]}
          />
        )}
        {!single && (
          <NativeSelect
            label="Period"
            description="By UTC"
            disabled={budget !== null}
            value={period}
            onChange={(event) => setPeriod(event.currentTarget.value as Budget["period"])}
            data={[
              { value: "day", label: "A day" },
              { value: "month", label: "A month" },
              { value: "total", label: "In all" },
            ]}
          />
        )}
        <DollarInput description="Empty: no limit of money" value={money} change={setMoney} data-autofocus />
        <NumberInput
          label="Tokens"
          description="Input and output together. Empty: no limit"
          value={tokens}
          onChange={setTokens}
          min={0}
          allowDecimal={false}
          thousandSeparator=" "
        />
        <NumberInput label="Warn at" value={warn} onChange={setWarn} min={1} max={100} suffix=" %" />
        <Notice error={put.error} />
        <Button type="submit" loading={put.isPending} disabled={money === "" && tokens === ""}>
          {budget ? "Change it" : "Set it"}
        </Button>
      </form>
    </Dialog>
  );
}
