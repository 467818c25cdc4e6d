/** The agents that a project can be given without further settings, with what each needs. */
export const AGENTS: { name: string; about: string; provider?: string; program?: boolean }[] = [
  { name: "claude-code", about: "Claude Code, with a key of Anthropic", provider: "anthropic" },
  { name: "codex", about: "Codex, with a key of OpenAI", provider: "openai", program: true },
  { name: "gemini", about: "Gemini's command line, with a key of Gemini", provider: "gemini", program: true },
  { name: "opencode", about: "opencode, with a key of Anthropic", provider: "anthropic", program: true },
  { name: "aider", about: "aider, with a key of Anthropic", provider: "anthropic", program: true },
  {
    name: "mini-swe-agent",
    about: "mini-swe-agent, with a key of Anthropic",
    provider: "anthropic",
    program: true,
  },
  { name: "pullyard", about: "Pullyard's own, with a key of Anthropic", provider: "anthropic" },
  { name: "command", about: "A command of your own" },
];
