// The page: its panels, and the signed-in user.

import './health.js';
import './campaign.js';
import './controls.js';
import './approvals.js';
import './map.js';
import './failures.js';
import './closed.js';
import './drift.js';
import './charts.js';
import './orgs.js';
import './org.js';
import './tree.js';
import './run.js';
import './audit.js';
import { begin } from './session.js';

begin();
