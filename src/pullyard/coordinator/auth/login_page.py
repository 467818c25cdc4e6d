"""The page behind a login link. Opening it does nothing: a preview by a mail program must not use it up."""

LOGIN_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pullyard: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer"><link rel="stylesheet" href="/login.css"></head>
<body><main><h1>Pullyard</h1><p id="said" role="status">One click logs this browser in.</p>
<button id="go" autofocus>Log in</button></main><script src="/login.js"></script></body></html>
"""

# The pages' own may not be built.
LOGIN_STYLE = """:root { color-scheme: light dark; }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif;
  background: light-dark(#ffffff, #0f1319); color: light-dark(#161b26, #e8ebf1); }
main { width: min(24rem, 100% - 40px); margin: 18vh auto 0; }
h1 { font-size: 1.5rem; letter-spacing: -0.01em; margin: 0 0 8px; }
p { margin: 0 0 20px; }
button { min-width: 9rem; min-height: 44px; padding: 0 24px; font: inherit; font-weight: 600;
  color: #ffffff; background: #3b5bdb; border: 0; border-radius: 9px; cursor: pointer; }
button:hover { background: #364fc7; }
button:focus-visible { outline: 2px solid light-dark(#364fc7, #9db1ff); outline-offset: 3px; }
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
