import { Button, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, type Execution, once, type Question, taken } from "../../api/client";
import { Kept } from "../../api/outbox";
import { questionQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { Receipt } from "../../components/Receipt";
import { Unfold } from "../../components/Unfold";
import { ago, useNow } from "../../lib/format";
import { Difference } from "./Difference";

const NAMES: Record<string, string> = {
  approve: "Approve",
  reject: "Reject",
  raise: "Add as much again",
  stop: "Stop here",
};
const NO = new Set(["reject", "stop"]);

/** What an execution asks, with the work so far, and the answer to it. */
export function AnswerPanel({ execution, question }: { execution: Execution; question: Question }) {
  const cache = useQueryClient();
  const { data } = useQuery(questionQuery(execution.id));
  const work = data?.id === question.id ? data : undefined;
  const now = useNow(30);
  const [text, setText] = useState("");
  const answer = useMutation({
    mutationFn: (answer: string) =>
      taken(
        api.POST("/api/v1/executions/{execution_id}/answer", {
          params: { path: { execution_id: execution.id }, header: once(`Answer: ${answer.slice(0, 80)}`) },
          body: { answer, question_id: question.id },
        }),
      ),
    // Whoever else has answered meanwhile: what counts is what the coordinator has.
    onSettled: () =>
      Promise.all([
        cache.invalidateQueries({ queryKey: ["executions"] }),
        cache.invalidateQueries({ queryKey: ["tasks"] }),
      ]),
  });
  const refused = answer.isError && !(answer.error instanceof Kept);
  const said = question.answer ?? (refused ? null : (answer.variables ?? null));
  const money = question.choices.includes("raise");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim()) answer.mutate(text.trim());
  };
  return (
    <section className="panel ask" aria-label="Question">
      <div className="row">
        <h2>{said === null ? "It waits for you" : "Answered"}</h2>
        <span className="quiet">
          step {plain(question.node)}, asked {ago(question.asked_at, now)}
        </span>
      </div>
      <p className="text">{plain(question.question)}</p>
      {work?.receipt && <Receipt receipt={work.receipt} />}
      {work?.diff && (
        <Unfold summary={`The work so far${work.diff_truncated ? ", cut" : ""}`}>
          <Difference text={work.diff} />
        </Unfold>
      )}
      {said === null ? (
        <form className="row" onSubmit={submit}>
          {question.choices.map((choice) => (
            <Button
              key={choice}
              variant={NO.has(choice) ? "default" : "filled"}
              onClick={() => answer.mutate(choice)}
            >
              {Object.hasOwn(NAMES, choice) ? NAMES[choice] : plain(choice)}
            </Button>
          ))}
          {question.text && (
            <>
              <TextInput
                className="ask-text"
                aria-label={money ? "Amount to add" : "Your answer"}
                placeholder={money ? "An amount, such as 5.00" : "In your words"}
                value={text}
                maxLength={20_000}
                onChange={(event) => setText(event.currentTarget.value)}
              />
              <Button type="submit" variant="default" disabled={!text.trim()}>
                {money ? "Add it" : "Answer"}
              </Button>
            </>
          )}
        </form>
      ) : (
        <p role="status">
          {answer.isIdle || answer.isSuccess ? "The worker goes on with" : "Sending"}:{" "}
          <strong>{plain(said)}</strong>
        </p>
      )}
      <Notice error={answer.error} />
    </section>
  );
}
