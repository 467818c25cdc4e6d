"""The page behind a login link. Opening it does nothing: a preview by a mail program must not use it up."""

LOGIN_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pullyard: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer"></head>
<body><main><h1>Pullyard</h1><p id="said">One click logs this browser in.</p>
<button id="go">Log in</button></main><script src="/login.js"></script></body></html>
"""

LOGIN_SCRIPT = """"use strict";
const token = new URLSearchParams(location.search).get("token") || "";
history.replaceState(null, "", "/login");
const said = document.getElementById("said");
document.getElementById("go").addEventListener("click", async () => {
  const answer = await fetch("/api/v1/session", {
    method: "POST",
    headers: {"content-type": "application/json"},
    body: JSON.stringify({link_token: token}),
  });
  if (answer.ok) { location.replace("/"); return; }
  const problem = await answer.json().catch(() => ({}));
  said.textContent = problem.detail || "This did not work; ask for a new link.";
});
"""
