// Asks for the token, if the service requires one. The token is sent once; a session cookie replaces it.

import { byId } from "./dom.js";
import { UnauthorizedError, post } from "./api_client.js";
import { text } from "./i18n.js";

export function login() {
  const dialog = byId("login");
  const error = byId("login-error");
  error.hidden = true;
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault();
    byId("login-form").onsubmit = async (event) => {
      event.preventDefault();
      try {
        await post("v1/session", { token: byId("token").value });
      } catch (cause) {
        error.textContent = cause instanceof UnauthorizedError ? text("wrong_token") : String(cause.message);
        error.hidden = false;
        return;
      }
      byId("token").value = "";
      dialog.close();
      resolve();
    };
  });
}
