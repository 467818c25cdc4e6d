/** Whether the same thing, asked once more, may be answered; what was refused is refused again. */
export function mayPass(problem: object): boolean {
  const status = "status" in problem ? Number(problem.status) : 0;
  return status < 400 || status >= 500 || status === 429;
}
