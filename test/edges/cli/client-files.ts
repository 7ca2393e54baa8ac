/** Configurations as the clients' own manuals have them, with secrets that must never be seen again. */
export const secrets = [
  'ghp_claudeclaudeclaude',
  'sk-cursor-0123456789',
  'ntn_windsurf_secret',
  'gm-secret-key',
  'postgres-pw',
  'abc-arg-token',
];

export const claudeDesktop = `{
  // written by hand
  "globalShortcut": "",
  "mcpServers": {
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/home/me/Desktop"],
    },
    "github": {
      "command": "docker",
      "args": ["run", "-i", "--rm", "-e", "GITHUB_PERSONAL_ACCESS_TOKEN", "ghcr.io/github/github-mcp-server", "--api-token", "abc-arg-token"],
      "env": { "GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_claudeclaudeclaude", "LOG_LEVEL": "debug" }
    }
  }
}
`;

export const claudeCode = `{
  "mcpServers": {
    "sentry": { "type": "http", "url": "https://mcp.sentry.dev/mcp" },
    "api-server": {
      "type": "sse",
      "url": "\${API_BASE_URL:-https://api.example.com}/sse",
      "headers": { "Authorization": "Bearer \${API_KEY}" }
    }
  },
  "oauthAccount": { "token": "postgres-pw" }
}
`;

export const cursor = `{
\t"mcpServers": {
\t\t"My Docs": {
\t\t\t"url": "http://127.0.0.1:9001/mcp", // the wiki
\t\t\t"headers": { "API_KEY": "sk-cursor-0123456789", "Accept": "application/json" }
\t\t}
\t}
}
`;

export const windsurf = `{ "mcpServers": { "remote": { "serverUrl": "https://notes.example.com/mcp", "headers": { "Authorization": "Bearer ntn_windsurf_secret" } } } }
`;

export const gemini = `{
  "theme": "GitHub",
  "mcpServers": {
    "httpServer": { "httpUrl": "http://localhost:3000/mcp", "headers": { "X-Api-Key": "gm-secret-key" }, "timeout": 5000 },
    "python": { "command": "python", "args": ["-m", "my_mcp_server"], "cwd": "./server", "env": { "DATABASE_URL": "$DB_URL" }, "trust": true }
  }
}
`;

export const vsCode = `{
  "inputs": [{ "type": "promptString", "id": "perplexity-key", "description": "Key", "password": true }],
  "servers": {
    "perplexity": { "type": "stdio", "command": "npx", "args": ["-y", "server-perplexity-ask"], "env": { "PERPLEXITY_API_KEY": "\${input:perplexity-key}" } },
    "local": { "type": "stdio", "command": "node", "args": ["\${workspaceFolder}/server.js"] },
    "docs": { "type": "http", "url": "https://docs.example.com/mcp" }
  }
}
`;
