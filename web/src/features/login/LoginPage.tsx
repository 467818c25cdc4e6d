/** For whoever has no session: links are the only way in, so say where to get one. */
export function LoginPage() {
  return (
    <main className="login">
      <img src="/mark.svg" width={44} height={44} alt="" />
      <h1>Pullyard</h1>
      <p>You are not logged in. Open the login link that the coordinator printed when it started.</p>
      <p className="quiet">
        A link works once and not for long; <code>pullyard up</code> prints a fresh one at every start.
      </p>
    </main>
  );
}
