// The server's API. Every error is an Error whose message can be shown to a person.

const TIMEOUT_MS = 8000;

export class ApiError extends Error {
  /** `status`: HTTP's, 0 where the server could not be reached. `retryAfterS`: as the server wishes, or null. */
  constructor(message, { status = 0, retryAfterS = null } = {}) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

/** `fetch` that ends in time, throws ApiError, and goes to the login page when the server asks for it. */
export async function call(url, options = {}) {
  const response = await reach(url, options);
  if (response.status === 401) login();
  if (!response.ok) throw await refusal(response);
  return response;
}

async function reach(url, options) {
  try {
    return await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server can't be reached.");
  }
}

async function refusal(response) {
  const wish = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  const details = { status: response.status, retryAfterS: Number.isFinite(wish) ? wish : null };
  return new ApiError(await reason(response), details);
}

async function reason(response) {
  const text = await response.text();
  if (!(response.headers.get("Content-Type") ?? "").includes("json")) return text.trim() || `HTTP ${response.status}`;
  try {
    return JSON.parse(text).detail ?? `HTTP ${response.status}`;
  } catch {
    return `HTTP ${response.status}`;
  }
}

const RELOADED = "facelane.reloaded";

// The page itself answers with the login form once the session has ended; not twice within moments, lest it spins.
function login() {
  const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
  if (Date.now() - last < 10_000) return;
  sessionStorage.setItem(RELOADED, String(Date.now()));
  location.reload();
}

const path = (name) => `/api/streams/${encodeURIComponent(name)}`;

export async function listStreams() {
  const body = await (await call("/api/streams")).json();
  return Array.isArray(body) ? body : body.streams;
}

export async function addStream(name, source) {
  const headers = { "Content-Type": "application/json" };
  await call("/api/streams", { method: "POST", headers, body: JSON.stringify({ name, source }) });
}

export async function removeStream(name) {
  await call(path(name), { method: "DELETE" });
}
