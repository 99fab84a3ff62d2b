// Asks for the token, if the service requires one. The token is sent once; a session cookie replaces it.

import { byId } from "./dom.js";
import { UnauthorizedError, get, post } from "./api_client.js";
import { text } from "./i18n.js";

const POLL_MS = 1000;

export function login() {
  const dialog = byId("login");
  const error = byId("login-error");
  error.hidden = true;
  dialog.showModal();
  return new Promise((resolve) => {
    const close = () => {
      clearInterval(poll);
      byId("token").value = "";
      dialog.close();
      resolve();
    };
    // The operator may log in in another tab.
    const poll = setInterval(() => get("v1/session").then(({ who }) => who && close(), () => {}), POLL_MS);
    dialog.oncancel = (event) => event.preventDefault();
    byId("login-form").onsubmit = async (event) => {
      event.preventDefault();
      try {
        await post("v1/session", { token: byId("token").value });
        close();
      } catch (cause) {
        error.textContent = cause instanceof UnauthorizedError ? text("wrong_token") : cause.message;
        error.hidden = false;
      }
    };
  });
}
