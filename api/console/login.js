// Asks for the token, where the service demands one. It is sent once, and kept by nobody here: a cookie takes its place.

import { byId } from "./dom.js";
import { RefusedError, post } from "./api_client.js";
import { say } from "./i18n.js";

export function enter() {
  const door = byId("door");
  const wrong = byId("door-wrong");
  wrong.hidden = true;
  if (!door.open) door.showModal();
  return new Promise((resolve) => {
    door.oncancel = (event) => event.preventDefault();
    byId("door-form").onsubmit = async (event) => {
      event.preventDefault();
      try {
        await post("/v1/session", { token: byId("token").value });
      } catch (error) {
        wrong.textContent = error instanceof RefusedError ? say("wrong_token") : String(error.message);
        wrong.hidden = false;
        return;
      }
      byId("token").value = "";
      door.close();
      resolve();
    };
  });
}
